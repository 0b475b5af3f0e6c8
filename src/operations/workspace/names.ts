import { AppError } from '../../base/errors.ts'
import { suggest } from '../../base/suggest.ts'
import { isRepositoryUrl } from '../../model/repository-url.ts'
import type { PolicySettings } from '../../model/settings.ts'
import type { Workspace } from './workspace.ts'

/** Which of the configured things are meant. */

type Configured = Pick<Workspace, 'settings'>

/**
 * The repositories that are meant: the one that was named, else all. A URL names one that needs no configuration. `usage`
 * for a name that is not there.
 */
export function repositoryNames({ settings }: Configured, only: string | undefined): readonly string[] {
  const names = [...settings.repositories.keys()]
  if (only !== undefined) {
    if (!isRepositoryUrl(only)) requireName(names, only, 'repository', settings.file)
    return [only]
  }
  if (names.length > 0) return names
  throw new AppError('usage', `no repository is named in ${inFile(settings.file)}`, {
    hint: 'Add one under "repositories:", then run "lifeboat init" to create it.',
  })
}

/** Those on this machine first; else in their order. */
export function nearestFirst(
  workspace: Pick<Workspace, 'repositoryPlace'>,
  names: readonly string[],
): readonly string[] {
  const isNear = (name: string): boolean => workspace.repositoryPlace(name).folder !== undefined
  return names.toSorted((a, b) => Number(isNear(b)) - Number(isNear(a)))
}

/** For what must not happen to the wrong one: the one that was named, else the only one. */
export function singleRepositoryName(workspace: Configured, only: string | undefined): string {
  const names = repositoryNames(workspace, only)
  const [first] = names
  if (names.length === 1 && first !== undefined) return first
  throw new AppError('usage', 'there are several repositories', { hint: `Name one with --repo: ${names.join(', ')}.` })
}

/** Configured sources: those named, else all. `usage` for a name that is not there. */
export function sourceNames({ settings }: Configured, named: readonly string[]): readonly string[] {
  for (const name of named) requireSource({ settings }, name)
  const names = named.length > 0 ? [...new Set(named)] : [...settings.sources.keys()]
  if (names.length > 0) return names
  throw new AppError('usage', `no source is named in ${inFile(settings.file)}`, {
    hint:
      settings.file === undefined
        ? WITHOUT_FILE
        : 'Add one under "sources:", like "app: { kind: sqlite, path: ./data/app.db }".',
  })
}

export function requireSource({ settings }: Configured, name: string): void {
  requireName([...settings.sources.keys()], name, 'source', settings.file)
}

/** `usage` for a name that is not there. */
export function getPolicy({ settings }: Configured, name: string): PolicySettings {
  requireName([...settings.policies.keys()], name, 'policy', settings.file)
  return settings.policies.get(name) as PolicySettings
}

function inFile(file: string | undefined): string {
  return file ?? 'a configuration, for no lifeboat.yaml is in use'
}

/** What to do where there is no configuration. */
const WITHOUT_FILE = 'Bring one back with "lifeboat init --from URL", or make one with "lifeboat init".'

/** `usage` for a name that is not there. */
export function requireName(
  known: readonly string[],
  name: string,
  what: 'source' | 'repository' | 'policy',
  file: string | undefined,
): void {
  if (known.includes(name)) return
  const meant = suggest(name, known)
  if (file === undefined) {
    throw new AppError('usage', `there is no ${what} "${name}" in ${inFile(file)}`, { hint: WITHOUT_FILE })
  }
  const list =
    known.length === 0
      ? `Add it under "${what === 'policy' ? 'policies' : `${what}s`}:" there.`
      : `There are: ${known.join(', ')}.`
  const folder = what === 'repository' ? ` A folder is written as a path: ./${name}` : ''
  throw new AppError('usage', `there is no ${what} "${name}" in ${file}`, {
    hint: meant === undefined ? `${list}${folder}` : `Did you mean "${meant}"?`,
    context: { name, known },
  })
}

/** Where a source's recovery points go: the repositories of its policies; for one without a policy, the only one. */
export function repositoriesOf(workspace: Configured, source: string, only: string | undefined): readonly string[] {
  const names = repositoryNames(workspace, only)
  if (names.length === 1) return names
  const policies = [...workspace.settings.policies.values()].filter(policy => policy.sources.includes(source))
  const wanted = new Set(policies.flatMap(policy => policy.repositories))
  if (wanted.size > 0) return [...wanted]
  throw new AppError('usage', `no policy says to which repository source ${source} goes`, {
    hint: `Name one with --repo (${names.join(', ')}), or add the source to a policy.`,
  })
}
