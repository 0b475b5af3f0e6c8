import { quoteLiteral, quoteName } from '../../../clients/postgres/index.ts'
import type { ManifestTable } from '../../../model/manifest.ts'
import { displayName, type TableName } from './table-pattern.ts'

const LOCK_TIMEOUT = '60s'

/** The line that says the transaction's id, padded so that it can be read without reading on. */
export const TOKEN_LINE_BYTES = 32

/** Opens the transaction in which tables get their rows back, and says its id. It may then wait as long as it must. */
export const BEGIN_SCRIPT = lines([
  "SET client_encoding = 'UTF8';",
  'SET search_path = pg_catalog;',
  'SET statement_timeout = 0;',
  'SET idle_in_transaction_session_timeout = 0;',
  'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;',
  `SELECT lpad(pg_current_xact_id()::text, ${TOKEN_LINE_BYTES - 1}, '0') AS lifeboat_token \\gset`,
  '\\echo :lifeboat_token',
])

/**
 * Takes hold of the tables. Foreign keys to and from them, and their triggers, are remembered and put aside: rows can then
 * be replaced without touching any other table.
 */
export function openScript(existing: readonly TableName[]): string {
  const begin = [`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}';`, 'SET LOCAL client_min_messages = warning;']
  if (existing.length === 0) return lines(begin)
  const names = existing.map(table => quoteName(table.schema, table.name))
  const oids = `ARRAY[${names.map(name => `${quoteLiteral(name)}::regclass`).join(', ')}]::oid[]`
  return lines([
    ...begin,
    `LOCK TABLE ONLY ${names.join(', ONLY ')} IN ACCESS EXCLUSIVE MODE;`,
    rememberKeys(oids),
    rememberTriggers(oids),
    doEach(`SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', rel, conname) FROM pg_temp.lifeboat_keys`),
    doEach(`SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', rel, tgname) FROM pg_temp.lifeboat_triggers`),
    doEach(`SELECT 'TRUNCATE TABLE ONLY ' || string_agg(o::regclass::text, ', ONLY ') FROM unnest(${oids}) o
      JOIN pg_class c ON c.oid = o WHERE c.relkind = 'r' HAVING count(*) > 0`),
  ])
}

/** A constraint of a partition is its parent's: the parent's is the one that can be dropped and made again. */
function rememberKeys(oids: string): string {
  return `CREATE TEMP TABLE lifeboat_keys ON COMMIT DROP AS
    WITH RECURSIVE key AS (
      SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f' AND (conrelid = ANY(${oids}) OR confrelid = ANY(${oids}))
      UNION SELECT parent.oid, parent.conparentid FROM pg_constraint parent JOIN key ON parent.oid = key.conparentid)
    SELECT c.conrelid::regclass::text AS rel, c.conname, pg_get_constraintdef(c.oid) AS def,
      obj_description(c.oid, 'pg_constraint') AS note
    FROM key JOIN pg_constraint c ON c.oid = key.oid WHERE c.conparentid = 0;`
}

function rememberTriggers(oids: string): string {
  return `CREATE TEMP TABLE lifeboat_triggers ON COMMIT DROP AS
    SELECT tgrelid::regclass::text AS rel, tgname, tgenabled FROM pg_trigger
    WHERE tgrelid = ANY(${oids}) AND NOT tgisinternal AND tgenabled <> 'D';`
}

/** Puts keys (each row is checked against them) and triggers back as they were. */
export function mendScript(existing: readonly TableName[]): string {
  const start = ["SET client_encoding = 'UTF8';", 'SET search_path = pg_catalog;']
  if (existing.length === 0) return lines(start)
  return lines([
    ...start,
    doEach(`SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', rel, conname, def) FROM pg_temp.lifeboat_keys`),
    doEach(`SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, rel, note) FROM pg_temp.lifeboat_keys
      WHERE note IS NOT NULL`),
    doEach(`SELECT format('ALTER TABLE %s ENABLE %s TRIGGER %I', rel,
      CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, tgname) FROM pg_temp.lifeboat_triggers`),
  ])
}

/** The last word before COMMIT: every table has the rows that the snapshot says, or nothing happened. */
export function countScript(expected: ReadonlyArray<TableName & ManifestTable>): string {
  return lines(
    expected.map(
      table => `DO $lifeboat$ DECLARE n bigint; BEGIN
  SELECT count(*) INTO n FROM ONLY ${quoteName(table.schema, table.name)};
  IF n <> ${table.rows} THEN
    RAISE EXCEPTION 'lifeboat: %', ${quoteLiteral(displayName(table))} || ' has ' || n || ' rows, not ${table.rows}';
  END IF; END $lifeboat$;`,
    ),
  )
}

export const COMMIT_SCRIPT = 'COMMIT;\n'

function doEach(query: string): string {
  return `DO $lifeboat$ DECLARE statement text; BEGIN
  FOR statement IN ${query} LOOP EXECUTE statement; END LOOP; END $lifeboat$;`
}

function lines(parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
