import { resolve } from 'node:path'
import type { App } from '../../app.ts'
import { RestoreJournal } from '../../operations/restore/journal.ts'
import type { RestorePlaces } from '../../operations/restore/places.ts'

/** The configuration as restores need it. */
export async function restorePlaces(app: App): Promise<RestorePlaces> {
  return {
    journal: new RestoreJournal(await app.stateFolder(), app.clock),
    openRepository: name => app.openRepository(name),
    openSourceAt: (name, kind, place) => app.openSourceAt(name, kind, place),
    // Elsewhere than at the application's own data, it has nothing to be stopped for.
    hooksOf: async (source, target) =>
      (await app.isOwnPlace(source, target))
        ? { ...app.config.sources.get(source)?.restore, place: app.commandPlace() }
        : {},
    context: () => app.sourceContext(),
    excludedPaths: () => app.excludedPaths(),
    host: app.host(),
    programVersion: app.programVersion,
  }
}

/** The server that a source is configured with. */
export const OWN_SERVER = 'postgres:///'

/** Undefined for what is in no configuration, and for clusters, whose data directory only the server knows. */
export function ownPlaceOf(app: App, source: string): string | undefined {
  const configured = app.config.sources.get(source)
  const { path, mode, dataDirectory } = (configured?.options ?? {}) as Readonly<Record<string, unknown>>
  if (typeof path === 'string') return resolve(app.config.baseDir, path)
  if (configured?.kind !== 'postgres') return undefined
  if (mode !== 'physical') return OWN_SERVER
  return typeof dataDirectory === 'string' ? resolve(app.config.baseDir, dataDirectory) : undefined
}
