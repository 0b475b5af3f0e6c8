import type { App } from '../../src/app.ts'
import type { Workspace } from '../../src/operations/workspace/workspace.ts'
import type { LogFormat, Source } from '../../src/sources/source.ts'

/** An installation with a source of a kind that is in no registry: operations are told of it by the workspace alone. */
export function workspaceOf(app: App, source: Source, format: LogFormat): Workspace {
  const isIt = (name: string): boolean => name === source.name
  return {
    settings: { ...app.settings, sources: new Map([[source.name, { kind: source.kind, options: {} }]]) },
    catalog: app.catalog,
    journal: app.journal,
    ownFolders: app.ownFolders,
    clock: app.clock,
    host: app.host,
    programVersion: app.programVersion,
    commandPlace: app.commandPlace,
    ownCommand: app.ownCommand,
    keptConfiguration: repository => app.keptConfiguration(repository),
    needsOfNewMachine: repository => app.needsOfNewMachine(repository),
    repository: name => app.repository(name),
    source: async () => source,
    sourceAt: async () => source,
    ownPlace: () => undefined,
    isOwnPlace: async () => false,
    byRestic: () => 'its files',
    hasLog: isIt,
    logFormat: async kind => (kind === source.kind ? format : undefined),
    loadMask: file => app.loadMask(file),
    stateFolder: name => app.stateFolder(name),
    scratchFolder: () => app.scratchFolder(),
    tell: finding => app.tell(finding),
  }
}
