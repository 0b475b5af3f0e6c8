import type { App } from '../../src/app/app.ts'
import type { Workspace } from '../../src/operations/workspace/workspace.ts'
import type { LogFormat, Source } from '../../src/sources/source.ts'

/** An installation with a source of a kind that is in no registry: operations are told of it by the workspace alone. */
export function workspaceOf(app: App, source: Source, format: LogFormat): Workspace {
  const own: Partial<Workspace> = {
    settings: { ...app.settings, sources: new Map([[source.name, { kind: source.kind, options: {} }]]) },
    source: async () => source,
    sourceAt: async () => source,
    ownPlace: () => undefined,
    isOwnPlace: async () => false,
    byRestic: () => 'its files',
    hasLog: name => name === source.name,
    requireOwnOptions: () => {},
    reachesEnd: () => false,
    logFormat: async kind => (kind === source.kind ? format : undefined),
  }
  return new Proxy<Workspace>(app, {
    get: (_, key): unknown => {
      if (Object.hasOwn(own, key)) return Reflect.get(own, key)
      const value: unknown = Reflect.get(app, key, app)
      return typeof value === 'function' ? value.bind(app) : value
    },
  })
}
