import { AppError } from '../../base/errors.ts'
import type { NewMachineNeeds } from '../../model/new-machine.ts'
import { isRepositoryUrl, typedWord } from '../../model/repository-url.ts'
import { repositoryNames } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What a person needs who has nothing but this and the secrets that it names. All of it is plain data. */
export interface RecoverySheet {
  readonly madeAt: Date
  readonly host: string
  readonly programVersion: string
  /** The configuration, and the folder that it is in. Absolute. */
  readonly file: string
  readonly folder: string
  readonly repositories: readonly SheetRepository[]
  /** The one that the commands take all from, where they can. */
  readonly from: string
  readonly needs: NewMachineNeeds
  /** To be typed on the new machine, in this order, before sources are restored. */
  readonly commands: readonly string[]
  readonly sources: readonly SheetSource[]
}

export interface SheetRepository extends Pick<NewMachineNeeds, 'url' | 'isFolder' | 'password'> {
  readonly name: string
}

export interface SheetSource {
  readonly name: string
  readonly kind: string
  /** Where its data belongs: an absolute path, or a URL. Undefined: only its server knows. */
  readonly place: string | undefined
  /** Undefined: no policy says where its recovery points go. */
  readonly repository: string | undefined
  readonly command: string
  readonly byRestic: { readonly list: string; readonly restore: string; readonly gives: string }
}

/** Stands in a command for what whoever types it has to fill in. */
export const BLANK = { folder: 'FOLDER', snapshot: 'SNAPSHOT' } as const

/**
 * Told by the configuration alone: opens no repository and asks no source. `usage` for a repository that the configuration
 * does not name, `config-not-found` where there is none.
 * @param named default: the first that is no folder of this machine, else the first
 */
export async function makeRecoverySheet(workspace: Workspace, named: string | undefined): Promise<RecoverySheet> {
  const { settings, clock, host, programVersion } = workspace
  if (named !== undefined && isRepositoryUrl(named)) throw notConfigured(named)
  repositoryNames(workspace, named)
  const all = await Promise.all(
    [...settings.repositories.keys()].map(async name => ({ name, needs: await workspace.needsOfNewMachine(name) })),
  )
  const chosen = all.find(({ name }) => name === named) ?? all.find(({ needs }) => !needs.isFolder) ?? all[0]
  if (chosen === undefined || settings.file === undefined) throw new TypeError('a configuration names a repository')
  const urls = new Map(all.map(({ name, needs }) => [name, needs.url]))
  return {
    madeAt: clock.now(),
    host: host.hostname,
    programVersion,
    file: settings.file,
    folder: settings.baseDir,
    repositories: all.map(({ name, needs: { url, isFolder, password } }) => ({ name, url, isFolder, password })),
    from: chosen.name,
    needs: chosen.needs,
    commands: commandsOf(workspace, chosen.needs),
    sources: [...settings.sources].map(([name, { kind }]) => sourceOf(workspace, { name, kind }, chosen.name, urls)),
  }
}

/** `read` keeps what is typed out of the shell's history, and what it reads is nobody's argument. */
function commandsOf({ settings, host }: Workspace, needs: NewMachineNeeds): string[] {
  const folder = typedWord(settings.baseDir)
  const variables = needs.variables.filter(({ inEnvFile }) => !inEnvFile).map(({ name }) => name)
  return [
    `mkdir -p ${folder} && cd ${folder}`,
    ...[needs.passwordVariable, ...needs.credentials.flatMap(each => each.variables), ...variables].map(
      name => `IFS= read -r ${name} && export ${name}`,
    ),
    `lifeboat init --from ${typedWord(needs.url)} --host ${typedWord(host.hostname)}`,
    'lifeboat snapshots',
  ]
}

function sourceOf(
  workspace: Workspace,
  { name, kind }: { readonly name: string; readonly kind: string },
  preferred: string,
  urls: ReadonlyMap<string, string>,
): SheetSource {
  const repository = repositoryOf(workspace, name, preferred)
  const place = workspace.ownPlace(name)
  const host = typedWord(workspace.host.hostname)
  const to = place === undefined ? ` --to ${BLANK.folder}` : ''
  const url = typedWord(urls.get(repository ?? preferred) ?? '')
  return {
    name,
    kind,
    place,
    repository,
    command: `lifeboat restore ${name} --from ${repository ?? preferred} --host ${host}${to}`,
    byRestic: {
      list: `restic -r ${url} snapshots --host ${host} --tag source:${name}`,
      restore: `restic -r ${url} restore ${BLANK.snapshot} --target ./${name}-by-restic`,
      gives: workspace.byRestic(name),
    },
  }
}

/** The preferred one if its recovery points go there. */
function repositoryOf({ settings }: Workspace, source: string, preferred: string): string | undefined {
  const policies = [...settings.policies.values()].filter(policy => policy.sources.includes(source))
  const names = policies.flatMap(policy => policy.repositories)
  if (names.includes(preferred) || settings.repositories.size === 1) return preferred
  return names[0]
}

function notConfigured(url: string): AppError {
  return new AppError('usage', `the configuration has no name for ${url}, so its backups are nobody's to plan with`, {
    hint: 'Name a repository of lifeboat.yaml with --repo NAME, or leave it out.',
  })
}
