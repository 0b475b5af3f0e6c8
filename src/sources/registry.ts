import { files } from './files/index.ts'
import { postgres, postgresCluster } from './postgres/index.ts'
import type { SourceDefinition } from './source.ts'
import { sqlite } from './sqlite/index.ts'

/** Every kind of source there is. The one place that opens the adapters' folders. */
export const SOURCES: readonly SourceDefinition[] = [files, postgres, postgresCluster, sqlite]
