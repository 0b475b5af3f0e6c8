import { isRepositoryUrl } from '../../model/repository-url.ts'
import { probeRepository } from '../probe/probe-repository.ts'
import type { ProbeReport } from '../probe/storage-probe.ts'
import { repositoryNames } from '../workspace/names.ts'
import type { Caller } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { createMissingRepositories, type InitializedRepository, type InitRepository, ignoreInGit } from './init.ts'

export interface CreatedRepositories {
  readonly repositories: readonly InitializedRepository[]
  /** Lines that were added to `.gitignore`. */
  readonly gitignore: readonly string[]
}

/**
 * Creates the repositories of the configuration that are missing, or the one that is named, and keeps them out of git. A URL
 * names one that is in no configuration. Throws `usage` for a name that is not there, ...
 */
export async function createRepositories(
  workspace: Workspace,
  only: string | undefined,
  { signal = new AbortController().signal }: Caller,
): Promise<CreatedRepositories> {
  const { settings, ownFolders, random } = workspace
  const names = repositoryNames(workspace, only)
  // Before the password and the repository: somebody may commit at any moment.
  const isNamed = settings.file !== undefined && !(only !== undefined && isRepositoryUrl(only))
  const gitignore = isNamed ? await ignoreInGit(settings.baseDir, ownFolders) : []
  const wanted = await Promise.all(names.map(name => wantedOf(workspace, name)))
  const made = await createMissingRepositories(wanted, random, signal)
  const repositories: InitializedRepository[] = []
  for (const each of made) repositories.push({ ...each, probe: await probeFar(workspace, each.name, signal) })
  return { repositories, gitignore }
}

/** Of a folder on this machine it has shown already. */
async function probeFar(workspace: Workspace, name: string, signal: AbortSignal): Promise<ProbeReport | undefined> {
  if (workspace.repositoryPlace(name).folder !== undefined) return undefined
  return await probeRepository(workspace, name, signal)
}

async function wantedOf(workspace: Workspace, name: string): Promise<InitRepository> {
  const { password } = workspace.repositoryPlace(name)
  const storage = await workspace.openStorage(name)
  return {
    name,
    location: storage.location,
    passwordFile: password?.kind === 'file' ? password.path : undefined,
    exists: async () => {
      try {
        return (await storage.find('config')) !== undefined
      } finally {
        await storage.close()
      }
    },
    create: async () => (await workspace.createRepository(name)).id,
  }
}
