import { sep } from 'node:path'
import type { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { ProofLevel } from '../../model/recovery-point.ts'
import { probe } from '../probe/probe.ts'
import { type Copy, isVerificationDue } from '../verify/due.ts'
import { type Caller, lookAround, ordinary, type Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import {
  type BackupWish,
  pointsOf,
  policiesOfPoint,
  policyNamesOf,
  verificationRuleOf,
  type WishedPoint,
} from './copies.ts'
import { findParent, isRelative } from './parent.ts'

export interface PlannedBackup {
  readonly kind: string
  readonly type: BackupType
  /** It would be relative to this snapshot. */
  readonly parent: string | undefined
  /** That it would be taken for. */
  readonly policies: readonly string[]
  /** It would be verified this far. */
  readonly verify: ProofLevel | undefined
  /** Folders in it that are ours, and so never captured. */
  readonly excluded: readonly string[]
  /** Can it be captured now? */
  readonly ready: boolean
  readonly findings: readonly Finding[]
}

/** It would be copied from where it is captured into. */
export interface PlannedArrival extends Pick<PlannedBackup, 'policies' | 'verify'> {
  readonly from: string
}

/** One source to one repository: what a backup would do, or why it could not. */
export type PlannedCopy = Copy & (PlannedBackup | PlannedArrival | { readonly error: AppError })

/** What `backUp` would do with the same wish. Writes to no repository and no source, and runs no hook. */
export async function planBackup(workspace: Workspace, wish: BackupWish, caller: Caller): Promise<PlannedCopy[]> {
  const points = pointsOf(workspace, wish)
  return await lookAround(workspace, caller, async run => {
    const planned: PlannedCopy[] = []
    for (const point of points) planned.push(...(await planPoint(workspace, wish, point, run)))
    return planned
  })
}

/** It would be captured into the first that can be opened, and copied to the others. */
async function planPoint(workspace: Workspace, wish: BackupWish, point: WishedPoint, run: Run): Promise<PlannedCopy[]> {
  const planned: PlannedCopy[] = []
  let from: string | undefined
  for (const repository of point.repositories) {
    const copy = { source: point.source, repository }
    try {
      await workspace.repository(repository)
      if (from === undefined) {
        planned.push({ ...copy, ...(await planCapture(workspace, wish, point, { copy, run })) })
        from = repository
      } else {
        const policies = policyNamesOf(workspace, wish, copy)
        planned.push({ ...copy, from, policies, verify: await dueVerification(workspace, wish, copy) })
      }
    } catch (error) {
      planned.push({ ...copy, error: ordinary(run.signal, error) })
    }
  }
  return planned
}

async function planCapture(
  workspace: Workspace,
  wish: BackupWish,
  point: WishedPoint,
  { copy, run }: { readonly copy: Copy; readonly run: Run },
): Promise<PlannedBackup> {
  const source = await workspace.source(copy.source)
  const repository = await workspace.repository(copy.repository)
  const { ready, findings } = await probe(source, run)
  const asked = point.type
  const { host, clock } = workspace
  // What is damaged in the parent is a backup's to mend.
  const writing = { distrust: (): void => {} }
  const found = await findParent({ source, repository, writing, type: asked, host, clock })
  const type = found.parent === undefined && isRelative(asked) ? 'full' : asked
  return {
    kind: source.kind,
    type,
    parent: found.parent?.id,
    policies: policiesOfPoint(workspace, wish, point),
    verify: await dueVerification(workspace, wish, copy),
    excluded: ownFoldersIn(workspace, copy.source),
    ready,
    findings: [...findings, ...found.findings],
  }
}

async function dueVerification(workspace: Workspace, wish: BackupWish, copy: Copy): Promise<ProofLevel | undefined> {
  const rule = verificationRuleOf(workspace, wish, copy)
  if (rule === undefined) return undefined
  const isDue = await isVerificationDue(workspace.catalog, copy, rule, workspace.clock.now(), 1)
  return isDue ? rule.level : undefined
}

function ownFoldersIn(workspace: Workspace, source: string): readonly string[] {
  const place = workspace.ownPlace(source)
  if (place === undefined) return []
  return workspace.ownFolders.filter(folder => folder.startsWith(place.endsWith(sep) ? place : `${place}${sep}`))
}
