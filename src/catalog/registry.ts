import type { CatalogDefinition } from './catalog.ts'
import { sqlite } from './sqlite/index.ts'

export const CATALOGS = { sqlite } as const satisfies Record<string, CatalogDefinition>
