import type { Session } from '../../../../clients/postgres/index.ts'
import type {
  MaskableColumn,
  MaskableForeignKey,
  MaskableTable,
  ValueType,
} from '../../../../model/masking/maskable.ts'

/** What the plan of a mask and the words for its failures need to know of a database. */
export interface MaskCatalog {
  readonly tables: readonly MaskableTable[]
  /** Columns of every constraint and unique index, by `constraintKey`. */
  readonly constraints: ReadonlyMap<string, readonly string[]>
}

export function constraintKey(table: string, name: string): string {
  return `${table}\0${name}`
}

/** Reads it as the session sees it: constraints that a transaction has made count. */
export async function readMaskCatalog(session: Session): Promise<MaskCatalog> {
  // Names of types come with their schema then.
  await session.query('SET LOCAL search_path = pg_catalog')
  const tables = new Map<string, MutableTable>()
  for (const row of await session.query<TableRow>(TABLES)) {
    tables.set(row.key, { ...row, columns: [], unique: [], foreignKeys: [], parents: row.parents })
  }
  for (const row of await session.query<ColumnRow>(COLUMNS)) tables.get(row.key)?.columns.push(toColumn(row))
  const constraints = new Map<string, string[]>()
  for (const { key, name, columns, words } of await session.query<UniqueRow>(UNIQUE)) {
    const table = tables.get(key)
    const named = words === null ? columns : (table?.columns ?? []).map(c => c.name).filter(c => hasWord(words, c))
    table?.unique.push({ name, columns: named })
    constraints.set(constraintKey(key, name), named)
  }
  for (const row of await session.query<ConstraintRow>(CONSTRAINTS)) {
    constraints.set(constraintKey(row.key, row.name), row.columns)
    if (row.target === null) continue
    const key = { name: row.name, columns: row.columns, table: row.target, refColumns: row.refColumns ?? [] }
    tables.get(row.key)?.foreignKeys.push(key)
  }
  return { tables: [...tables.values()], constraints }
}

interface MutableTable extends MaskableTable {
  readonly columns: MaskableColumn[]
  readonly unique: Array<{ name: string; columns: string[] }>
  readonly foreignKeys: MaskableForeignKey[]
}

interface TableRow {
  readonly key: string
  readonly schema: string
  readonly name: string
  readonly parents: string[]
}

const USER_TABLES = `c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`
const KEY = `n.nspname || '.' || c.relname`

const TABLES = `SELECT ${KEY} AS key, n.nspname AS schema, c.relname AS name,
    ARRAY(SELECT pn.nspname || '.' || p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
      JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid) AS parents
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER_TABLES} ORDER BY 1`

interface ColumnRow {
  readonly key: string
  readonly name: string
  readonly base: string
  readonly category: string
  readonly formatted: string
  readonly modifier: number
  readonly notNull: boolean
  readonly generated: boolean
  readonly folded: boolean
}

const COLUMNS = `SELECT ${KEY} AS key, a.attname AS name, b.typname AS base, b.typcategory AS category,
    format_type(a.atttypid, a.atttypmod) AS formatted,
    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier,
    a.attnotnull OR t.typnotnull AS "notNull", a.attgenerated <> '' AS generated,
    coalesce(NOT l.collisdeterministic, false) AS folded
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
  WHERE ${USER_TABLES} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum`

interface UniqueRow {
  readonly key: string
  readonly name: string
  readonly columns: string[]
  /** The whole definition, where expressions are part of it. */
  readonly words: string | null
}

const UNIQUE = `SELECT ${KEY} AS key, x.relname AS name,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) AS columns,
    CASE WHEN i.indexprs IS NULL THEN NULL ELSE pg_get_indexdef(i.indexrelid) END AS words
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.indisunique AND ${USER_TABLES} ORDER BY 1, 2`

interface ConstraintRow {
  readonly key: string
  readonly name: string
  readonly columns: string[]
  readonly target: string | null
  readonly refColumns: string[] | null
}

const CONSTRAINTS = `SELECT ${KEY} AS key, k.conname AS name,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (num, at)
      JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at) AS columns,
    CASE WHEN k.contype = 'f' THEN fn.nspname || '.' || f.relname END AS target,
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (num, at)
      JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at) AS "refColumns"
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
  WHERE ${USER_TABLES} ORDER BY 1, 2`

const TYPES: Readonly<Record<string, ValueType>> = {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  numeric: 'decimal',
  float4: 'decimal',
  float8: 'decimal',
  bool: 'boolean',
  date: 'date',
  timestamp: 'date',
  timestamptz: 'date',
  uuid: 'uuid',
  bytea: 'bytes',
  inet: 'network',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
  name: 'text',
  citext: 'text',
}
/** A name takes 63 bytes. */
const NAME_CHARS = 63

function toColumn(row: ColumnRow): MaskableColumn {
  const limited = row.base === 'varchar' || row.base === 'bpchar'
  return {
    name: row.name,
    type: TYPES[row.base] ?? 'other',
    typeName: row.formatted,
    // The modifier counts four bytes of its own.
    maxChars: row.base === 'name' ? NAME_CHARS : limited && row.modifier > 4 ? row.modifier - 4 : undefined,
    notNull: row.notNull,
    generated: row.generated,
    caseInsensitive: row.folded || row.base === 'citext',
  }
}

function hasWord(text: string, word: string): boolean {
  return (text.match(/"(?:[^"]|"")+"|[\p{L}\p{N}_$]+/gu) ?? []).some(each => each.replace(/^"|"$/g, '') === word)
}
