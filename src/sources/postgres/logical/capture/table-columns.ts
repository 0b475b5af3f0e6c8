import type { Session } from '../../../../clients/postgres/index.ts'
import type { ManifestColumn } from '../../../../model/manifest.ts'
import { bytesOf, nameOfBytes } from '../names-of-bytes.ts'
import { displayName } from '../tables/table-pattern.ts'

/** By the name that the manifest has, `displayName`: columns in their order. */
export type ColumnsByTable = ReadonlyMap<string, readonly ManifestColumn[]>

/** With `search_path` at pg_catalog, as our sessions have it, types of the user's own are named with their schema. */
const QUERY = `
SELECT ${bytesOf('n.nspname')} AS schema, ${bytesOf('c.relname')} AS "table", ${bytesOf('a.attname')} AS name, format_type(a.atttypid, a.atttypmod) AS type,
  a.attnotnull AS "notNull", coalesce(a.attnum = ANY(i.indkey), false) AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.oid, a.attnum`

interface Row extends ManifestColumn {
  readonly schema: string
  readonly table: string
}

/** Of all tables of the user's. Needs no right to read them. */
export async function listColumns(session: Session): Promise<ColumnsByTable> {
  const rows = await session.query<Row>(QUERY)
  const tables = new Map<string, ManifestColumn[]>()
  for (const { schema, table, name, type, notNull, key } of rows) {
    const shown = displayName({ schema: nameOfBytes(schema), name: nameOfBytes(table) })
    const columns = tables.get(shown) ?? []
    columns.push({ name: nameOfBytes(name), type, ...(notNull ? { notNull } : {}), ...(key ? { key } : {}) })
    tables.set(shown, columns)
  }
  return tables
}
