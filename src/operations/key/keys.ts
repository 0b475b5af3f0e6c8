import type { Secret } from '../../base/secret.ts'
import type { KeyInfo } from '../../repository/index.ts'
import { singleRepositoryName } from '../workspace/names.ts'
import { type Caller, type Run, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** Which repository: its name or URL; undefined: the only one. */
type Named = string | undefined

export interface ListedKeys {
  readonly repository: string
  readonly keys: readonly KeyInfo[]
}

export interface ChangedKey {
  readonly repository: string
  readonly key: KeyInfo
}

/** What became of the place that the configuration takes the password from. */
export type PasswordKept =
  /** The file has the new one. */
  | { readonly how: 'replaced'; readonly file: string }
  /** Left as it was: it serves other repositories too. */
  | { readonly how: 'shared'; readonly file: string }
  /** A person has to change it there: a variable, a program, the configuration. */
  | { readonly how: 'elsewhere'; readonly where: string }
  /** It is typed each time. */
  | { readonly how: 'typed' }

export async function listKeys(workspace: Workspace, named: Named): Promise<ListedKeys> {
  const repository = singleRepositoryName(workspace, named)
  return { repository, keys: await (await workspace.repository(repository)).listKeys() }
}

export async function addKey(
  workspace: Workspace,
  { named, password }: { readonly named: Named; readonly password: Secret },
  caller: Caller,
): Promise<ChangedKey> {
  return await recorded(workspace, caller, 'key add', named, async repository => ({
    repository,
    key: await (await workspace.repository(repository)).addKey(password, workspace.host),
  }))
}

export interface RevokedKey {
  readonly repository: string
  readonly removed: string
  /** Until then an old version of its file stays in the bucket, and its password opens the repository of old versions. */
  readonly keptUntil: Date | undefined
}

/** `last-key` for the last one, `usage` for the one in use, ... */
export async function removeKey(
  workspace: Workspace,
  { named, id }: { readonly named: Named; readonly id: string },
  caller: Caller,
): Promise<RevokedKey> {
  return await recorded(workspace, caller, 'key remove', named, async repository => {
    const { keptUntil } = await (await workspace.repository(repository)).removeKey(id)
    return { repository, removed: id, keptUntil }
  })
}

/** The old password opens the repository no more; the configuration goes on working where its place can be told. */
export async function changePassword(
  workspace: Workspace,
  { named, password }: { readonly named: Named; readonly password: Secret },
  caller: Caller,
): Promise<ChangedKey & Pick<RevokedKey, 'keptUntil'> & { readonly kept: PasswordKept }> {
  return await recorded(workspace, caller, 'key passwd', named, async repository => {
    const changed = await (await workspace.repository(repository)).changePassword(password)
    return { repository, ...changed, kept: await keepPassword(workspace, repository, password) }
  })
}

async function keepPassword(workspace: Workspace, repository: string, password: Secret): Promise<PasswordKept> {
  const place = workspace.repositoryPlace(repository).password
  if (place === undefined) return { how: 'typed' }
  if (place.kind === 'variable') return { how: 'elsewhere', where: place.name }
  if (place.kind === 'command') return { how: 'elsewhere', where: place.program }
  if (place.kind === 'configuration') return { how: 'elsewhere', where: workspace.settings.file ?? 'the configuration' }
  const file = await workspace.replacePasswordFile(repository, password)
  return file === undefined ? { how: 'shared', file: place.path } : { how: 'replaced', file }
}

async function recorded<T>(
  workspace: Workspace,
  caller: Caller,
  operation: string,
  named: Named,
  work: (repository: string, run: Run) => Promise<T>,
): Promise<T> {
  const repository = singleRepositoryName(workspace, named)
  return await runOnce(
    workspace,
    caller,
    { operation, repository },
    run => work(repository, run),
    () => ({ outcome: 'done', statistics: {}, findings: [] }),
  )
}
