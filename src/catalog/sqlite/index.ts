import type { CatalogDefinition } from '../catalog.ts'

export const sqlite: CatalogDefinition = {
  kind: 'sqlite',
  load: async () => (await import('./sqlite-catalog.ts')).openSqliteCatalog,
}
