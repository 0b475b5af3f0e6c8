import { AppError } from '../../base/errors.ts'
import { repositoriesOf, repositoryNames, requireSource } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What is to be copied, and between which repositories. */
export interface CopyWish {
  /** Names; default: all. */
  readonly sources?: readonly string[] | undefined
  /** Names in the configuration, or URLs. */
  readonly from?: string | undefined
  readonly to?: readonly string[] | undefined
}

export interface CopyJob {
  readonly from: string
  readonly to: string
  /** Only recovery points of these; undefined: everything, other programs' too. */
  readonly sources: readonly string[] | undefined
}

/**
 * To a repository that is named goes all that the other one has, or has of the sources that are named. Where none is
 * named the policies say it: each source goes from the first repository of its policies to the others.
 * `usage` for names that are not there, and where there is nothing to copy.
 */
export function copyJobsOf(
  workspace: Pick<Workspace, 'settings'>,
  { sources: named = [], from, to = [] }: CopyWish,
): CopyJob[] {
  for (const source of named) requireSource(workspace, source)
  for (const name of [...to, ...(from === undefined ? [] : [from])]) repositoryNames(workspace, name)
  if (to.length === 0) return jobsOfPolicies(workspace, named, from)
  const origin = from ?? [...workspace.settings.repositories.keys()].find(name => !to.includes(name))
  if (origin === undefined)
    throw new AppError('usage', 'there is no other repository to copy from', { hint: NAME_FROM })
  if (to.includes(origin)) {
    throw new AppError('usage', `${origin} cannot be copied to itself`, { hint: 'Name another repository with --to.' })
  }
  const sources = named.length > 0 ? [...new Set(named)] : undefined
  return [...new Set(to)].map(name => ({ from: origin, to: name, sources }))
}

const NAME_FROM = 'Name it with --from, by its name in the configuration or by its URL.'

function jobsOfPolicies(
  workspace: Pick<Workspace, 'settings'>,
  named: readonly string[],
  from: string | undefined,
): CopyJob[] {
  const { policies } = workspace.settings
  const sources = named.length > 0 ? named : new Set([...policies.values()].flatMap(policy => policy.sources))
  const jobs = new Map<string, { readonly from: string; readonly to: string; readonly sources: string[] }>()
  for (const source of new Set(sources)) {
    const all = repositoriesOf(workspace, source, undefined)
    const origin = from ?? all[0]
    if (origin === undefined || !all.includes(origin)) continue
    for (const to of all.filter(name => name !== origin)) {
      const key = JSON.stringify([origin, to])
      const known = jobs.get(key)
      if (known) known.sources.push(source)
      else jobs.set(key, { from: origin, to, sources: [source] })
    }
  }
  if (jobs.size > 0) return [...jobs.values()]
  throw new AppError('usage', 'no policy takes a source to several repositories', {
    hint: 'Name where to copy to with --to, or add a repository to a policy.',
  })
}
