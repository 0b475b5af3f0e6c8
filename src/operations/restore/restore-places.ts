import type { Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { RestorePlaces } from './places.ts'

/** What the steps of a restore need of a workspace; what they open is closed when the run ends. */
export function restorePlacesOf(workspace: Workspace, run: Run): RestorePlaces {
  const { journal, host, programVersion, commandPlace } = workspace
  const { signal, clock, logger, scratchDir } = run
  return {
    journal,
    host,
    programVersion,
    openRepository: name => workspace.repository(name),
    openSourceAt: async (name, kind, place) => run.closeLater(await workspace.sourceAt(name, kind, place)),
    // Elsewhere than at the application's own data, it has nothing to be stopped for.
    hooksOf: async (source, target) =>
      (await workspace.isOwnPlace(source, target))
        ? { ...workspace.settings.sources.get(source)?.restore, place: commandPlace }
        : {},
    context: async () => ({ signal, clock, logger, scratchDir }),
    excludedPaths: async () => [...workspace.ownFolders],
  }
}
