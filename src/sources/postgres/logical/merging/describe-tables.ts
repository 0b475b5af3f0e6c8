import { quoteIdentifier, quoteName, type Session } from '../../../../clients/postgres/index.ts'
import type { ColumnDescription, ForeignKey, TableDescription, UniqueKey } from '../../../../model/table-description.ts'

/** Tables that are no partition of another one, no extension's and no system's. */
const OWN_TABLES = `
  SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

/** A domain's base type stands for it: its own rules would refuse the NULLs of a work table. */
const COLUMNS = `
  SELECT a.attrelid::text AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
      ELSE format_type(a.atttypid, a.atttypmod) END AS declared,
    CASE WHEN a.attcollation <> 0 THEN (SELECT format('%I.%I', cn.nspname, l.collname) FROM pg_collation l
      JOIN pg_namespace cn ON cn.oid = l.collnamespace WHERE l.oid = a.attcollation) END AS collation,
    a.attnotnull AS demanded, a.atthasdef OR a.attidentity <> '' AS has_default, a.attgenerated <> '' AS generated,
    coalesce(b.typname, t.typname)::text AS base
  FROM pg_attribute a JOIN own ON own.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
  WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`

/** Columns of a key, in its order. An index with another collation or operator class compares differently than we do. */
const UNIQUE_KEYS = `
  SELECT i.indrelid::text AS table, i.indisprimary AS primary, array_agg(a.attname::text ORDER BY k.position) AS columns
  FROM pg_index i JOIN own ON own.oid = i.indrelid
    CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])
      WITH ORDINALITY AS k(attnum, class, collates, position)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_opclass o ON o.oid = k.class
  WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts
  GROUP BY i.indexrelid, i.indrelid, i.indisprimary
  HAVING bool_and(o.opcdefault) AND bool_and(k.collates = a.attcollation) ORDER BY i.indexrelid`

const FOREIGN_KEYS = `
  SELECT c.conrelid::text AS table, c.conname AS name, c.confrelid::text AS parent,
    (SELECT array_agg(a.attname::text ORDER BY k.position) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)
      JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns,
    (SELECT array_agg(a.attname::text ORDER BY k.position) FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, position)
      JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum) AS parent_columns
  FROM pg_constraint c JOIN own ON own.oid = c.conrelid JOIN own AS other ON other.oid = c.confrelid
  WHERE c.contype = 'f' AND c.conparentid = 0 ORDER BY c.oid`

/** Of a key that is one partition's, or to one: between the tables that the partitions are part of. */
const PART_REFERENCES = `
  SELECT DISTINCT own.oid::text AS table, other.oid::text AS parent
  FROM pg_constraint c JOIN own ON own.oid = coalesce(pg_partition_root(c.conrelid), c.conrelid)
    JOIN own AS other ON other.oid = coalesce(pg_partition_root(c.confrelid), c.confrelid)
  WHERE c.contype = 'f' AND c.conparentid = 0 AND (own.oid <> c.conrelid OR other.oid <> c.confrelid)`

/** Those of a table's partitions too, but not the copies that partitions have of its own; and rules, which do as triggers do. */
export const TRIGGERS = `
  SELECT own.oid::text AS table, t.tgname AS name, 'TRIGGER' AS what, t.tgrelid::regclass::text AS on, t.tgenabled AS enabled
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    JOIN own ON own.oid = c.oid OR (c.relispartition AND own.oid = pg_partition_root(c.oid))
  WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
      AND d.refclassid = 'pg_trigger'::regclass)
  UNION ALL SELECT own.oid::text, r.rulename, 'RULE', own.oid::regclass::text, r.ev_enabled
  FROM pg_rewrite r JOIN own ON own.oid = r.ev_class WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D'`

export async function describeTables(session: Session): Promise<TableDescription[]> {
  const ask = async <Row extends object>(sql: string): Promise<Row[]> =>
    await session.query<Row>(`WITH own AS (${OWN_TABLES}) ${sql}`)
  const tables = await ask<TableRow>(
    'SELECT oid::text AS id, nspname AS schema, relname AS name, relkind AS kind FROM own',
  )
  const columns = Map.groupBy(await ask<ColumnRow>(COLUMNS), row => row.table)
  const unique = Map.groupBy(await ask<KeyRow>(UNIQUE_KEYS), row => row.table)
  const foreign = Map.groupBy(await ask<ForeignRow>(FOREIGN_KEYS), row => row.table)
  const parts = Map.groupBy(await ask<{ table: string; parent: string }>(PART_REFERENCES), row => row.table)
  const triggers = Map.groupBy(await ask<{ table: string; name: string }>(TRIGGERS), row => row.table)
  const names = new Map(tables.map(table => [table.id, nameOf(table)]))
  const described = tables.map((table): TableDescription => {
    const sql = quoteName(table.schema, table.name)
    return {
      name: nameOf(table),
      sql,
      scan: table.kind === 'r' ? `ONLY ${sql}` : sql,
      columns: (columns.get(table.id) ?? []).map(describeColumn),
      uniqueKeys: (unique.get(table.id) ?? []).map(
        (key): UniqueKey => ({ columns: key.columns, primary: key.primary }),
      ),
      foreignKeys: (foreign.get(table.id) ?? []).map(key => describeForeignKey(key, names)),
      partReferences: (parts.get(table.id) ?? []).map(({ parent }) => names.get(parent) ?? parent),
      triggers: (triggers.get(table.id) ?? []).map(trigger => trigger.name),
    }
  })
  return described.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The statement over all tables of ours, which the queries above call `own`. */
export function overOwnTables(sql: string): string {
  return `WITH own AS (${OWN_TABLES}) ${sql}`
}

interface TableRow {
  readonly id: string
  readonly schema: string
  readonly name: string
  readonly kind: string
}

interface ColumnRow {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly declared: string
  readonly collation: string | null
  readonly demanded: boolean
  readonly has_default: boolean
  readonly generated: boolean
  readonly base: string
}

interface KeyRow {
  readonly table: string
  readonly primary: boolean
  readonly columns: string[]
}

interface ForeignRow {
  readonly table: string
  readonly name: string
  readonly parent: string
  readonly columns: string[]
  readonly parent_columns: string[]
}

function nameOf(table: TableRow): string {
  return table.schema === 'public' ? table.name : `${table.schema}.${table.name}`
}

const GREATEST: Readonly<Record<string, bigint>> = { int2: 32_767n, int4: 2_147_483_647n, int8: 2n ** 63n - 1n }

/** Without an operator that says whether two are equal. */
const INCOMPARABLE = new Set(['json', 'xml', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle', 'aclitem'])

function describeColumn(row: ColumnRow): ColumnDescription {
  return {
    name: row.name,
    type: row.type,
    declaration: row.collation === null ? row.declared : `${row.declared} COLLATE ${row.collation}`,
    nullable: !row.demanded,
    hasDefault: row.has_default,
    generated: row.generated,
    numberedUpTo: GREATEST[row.base],
    comparable: !INCOMPARABLE.has(row.base),
  }
}

function describeForeignKey(row: ForeignRow, names: ReadonlyMap<string, string>): ForeignKey {
  return {
    name: row.name,
    columns: row.columns,
    parent: names.get(row.parent) ?? row.parent,
    parentColumns: row.parent_columns,
  }
}

/**
 * Where operators are looked for: the role's own path, as functions of the application expect it, and the schemas of types
 * that bring operators along. Without them citext would be compared as text.
 */
export async function searchPathOf(session: Session): Promise<string> {
  await session.query('RESET search_path')
  const [path] = await session.query<{ path: string }>(`SELECT current_setting('search_path') AS path`)
  const schemas = await session.query<{ name: string }>(
    `SELECT DISTINCT n.nspname AS name FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  )
  const all = [path?.path ?? '', ...schemas.map(row => quoteIdentifier(row.name))]
  return all.filter(part => part !== '').join(', ')
}
