import { AppError } from '../../base/errors.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { PolicySettings, VerificationRule } from '../../model/settings.ts'
import type { Copy } from '../verify/due.ts'
import { getPolicy, nearestFirst, repositoriesOf, requireSource, sourceNames } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What is to be backed up, and to where. */
export interface BackupWish {
  /** Names; default: all. */
  readonly sources?: readonly string[] | undefined
  /** For this policy: its sources, repositories, type and retention. */
  readonly policy?: string | undefined
  /** Only to this one. */
  readonly repository?: string | undefined
  /** Default: the policy's, else `incremental`. */
  readonly type?: BackupType | undefined
  readonly tags?: readonly string[] | undefined
}

const DEFAULT_TYPE: BackupType = 'incremental'

/** Which copies a wish means, in the order in which they are made. `usage` for names that are not there. */
export function copiesOf(workspace: Workspace, wish: BackupWish): readonly Copy[] {
  const { sources: named = [], repository: only } = wish
  if (wish.policy === undefined) {
    return sourceNames(workspace, named).flatMap(source =>
      repositoriesOf(workspace, source, only).map(repository => ({ source, repository })),
    )
  }
  const { sources, repositories } = getPolicy(workspace, wish.policy)
  for (const name of named) requireSource(workspace, name)
  const copies = sources
    .filter(source => named.length === 0 || named.includes(source))
    .flatMap(source => repositories.map(repository => ({ source, repository })))
    .filter(({ repository }) => only === undefined || repository === only)
  if (copies.length > 0) return copies
  throw new AppError('usage', `policy ${wish.policy} has nothing to do with what you named`, {
    hint: `It takes ${sources.join(', ')} to ${repositories.join(', ')}.`,
  })
}

/** One recovery point to take: of one source, captured once, for all these repositories. */
export interface WishedPoint {
  readonly source: string
  readonly type: BackupType
  /** The nearest first: it is captured into the first that can be written to, and copied from there to the others. */
  readonly repositories: readonly string[]
}

/** The points that a wish means, in the order in which they are taken. Copies of different types are different points. */
export function pointsOf(workspace: Workspace, wish: BackupWish): readonly WishedPoint[] {
  const copies = copiesOf(workspace, wish).map(copy => ({ ...copy, type: typeOf(workspace, wish, copy) }))
  const groups = Map.groupBy(copies, ({ source, type }) => JSON.stringify([source, type]))
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const { source, type } = first
    const repositories = nearestFirst(
      workspace,
      [first, ...others].map(({ repository }) => repository),
    )
    return [{ source, type, repositories }]
  })
}

/** The policies that it is taken for, of whichever of its repositories. */
export function policiesOfPoint(
  workspace: Workspace,
  wish: BackupWish,
  { source, repositories }: WishedPoint,
): string[] {
  return [...new Set(repositories.flatMap(repository => policyNamesOf(workspace, wish, { source, repository })))]
}

/** Those whose settings count: the one that was named alone, if one was. */
function policiesFor(
  { settings }: Workspace,
  wish: BackupWish,
  { source, repository }: Copy,
): ReadonlyArray<readonly [name: string, policy: PolicySettings]> {
  if (wish.policy !== undefined) return [[wish.policy, getPolicy({ settings }, wish.policy)]]
  return [...settings.policies].filter(
    ([, policy]) => policy.sources.includes(source) && policy.repositories.includes(repository),
  )
}

/**
 * Which policies it is taken for, so that they judge how long it stays, and their hooks run: the one that was named, else
 * those that take backups of this type.
 */
export function policyNamesOf(workspace: Workspace, wish: BackupWish, copy: Copy): string[] {
  const type = typeOf(workspace, wish, copy)
  return policiesFor(workspace, wish, copy)
    .filter(([, policy]) => wish.policy !== undefined || (policy.type ?? DEFAULT_TYPE) === type)
    .map(([name]) => name)
}

export function typeOf(workspace: Workspace, wish: BackupWish, copy: Copy): BackupType {
  const ofPolicy = policiesFor(workspace, wish, copy).find(([, policy]) => policy.type !== undefined)?.[1].type
  return wish.type ?? ofPolicy ?? DEFAULT_TYPE
}

/** Of the first policy that has one. */
export function verificationRuleOf(workspace: Workspace, wish: BackupWish, copy: Copy): VerificationRule | undefined {
  return policiesFor(workspace, wish, copy).find(([, policy]) => policy.verify !== undefined)?.[1].verify
}
