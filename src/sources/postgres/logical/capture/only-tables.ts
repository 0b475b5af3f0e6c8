import type { Session } from '../../../../clients/postgres/index.ts'
import type { PostgresOptions } from '../../options.ts'
import { anyTable, displayName, type TableName } from '../tables/table-pattern.ts'

const RELATIONS = `
SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
  array(SELECT inhparent::int8::float8 FROM pg_inherits WHERE inhrelid = c.oid AND c.relispartition) AS parents
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'S') AND c.relpersistence <> 't'`

interface Relation extends TableName {
  readonly oid: number
  readonly parents: readonly number[]
}

/**
 * The options of a capture of these tables, with their partitions, and of nothing else. What the options leave out of a
 * backup must not be missing from what makes a restore of it undone. None that is there: a capture without any table.
 */
export async function onlyTables(
  session: Session,
  options: PostgresOptions,
  tables: readonly string[] | undefined,
): Promise<PostgresOptions> {
  if (tables === undefined) return options
  const all = await session.query<Relation & Record<string, unknown>>(RELATIONS)
  const chosen = new Set(all.filter(anyTable(tables)).map(each => each.oid))
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size
    for (const { oid, parents } of all) if (parents.some(parent => chosen.has(parent))) chosen.add(oid)
  }
  const names = all.filter(each => chosen.has(each.oid)).map(displayName)
  return {
    ...options,
    globals: false,
    tables: names,
    schemas: [],
    excludeSchemas: [],
    excludeTables: [],
    excludeTableData: [],
  }
}
