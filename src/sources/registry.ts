import { files } from './files/index.ts'
import { postgres, postgresCluster } from './postgres/index.ts'
import type { SourceDefinition } from './source.ts'
import { sqlite } from './sqlite/index.ts'

/** Every kind of source there is. The one place that opens the adapters' folders. */
export const SOURCES: readonly SourceDefinition[] = [
  register(files),
  register(postgres),
  register(postgresCluster),
  register(sqlite),
]

/** By the word in `kind:`. */
export function findSourceDefinition(kind: string): SourceDefinition | undefined {
  return SOURCES.find(definition => definition.kind === kind)
}

/** Forgets the type of the options: who calls the factory has parsed them with this definition's own schema. */
function register<Options>(definition: SourceDefinition<Options>): SourceDefinition {
  return {
    ...definition,
    optionsAt: (place, own) => definition.optionsAt(place, own as Options | undefined),
    ownPlace: (own, base) => definition.ownPlace(own as Options, base),
    isOwnPlace: (place, own, base) => definition.isOwnPlace(place, own as Options, base),
    load: async () => {
      const make = await definition.load()
      return (name, options, place) => make(name, options as Options, place)
    },
  }
}
