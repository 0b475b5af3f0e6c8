import { quoteLiteral, quoteName } from '../../../../clients/postgres/index.ts'
import type { ManifestTable } from '../../../../model/manifest.ts'
import type { CreatedObject } from '../../../target.ts'
import { dropScript } from './drop-created.ts'
import { routineTag } from './existing-objects.ts'
import { displayName, type TableName } from './table-pattern.ts'

/** A line that psql says, padded so that it can be read without reading on. */
export const SAID_LINE_BYTES = 32
/** Who waits for a lock that excludes readers keeps all who come after it waiting: never longer than this at a time. */
const LOCK_ATTEMPT = '500ms'
const LOCK_PAUSE_SECONDS = 0.5

/** Opens the transaction in which tables get their rows back, and says its id. It may then wait as long as it must. */
export function beginScript(lockTimeoutSeconds: number): string {
  return lines([
    "SET client_encoding = 'UTF8';",
    'SET search_path = pg_catalog;',
    'SET statement_timeout = 0;',
    'SET idle_in_transaction_session_timeout = 0;',
    `SET lock_timeout = '${lockTimeoutSeconds}s';`,
    'SET client_min_messages = warning;',
    'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;',
    tellScript('SELECT pg_current_xact_id()'),
  ])
}

/** psql says what a query of one value finds, on a line of its own. Neither blanks nor leading dots may be in it. */
export function tellScript(query: string, lineBytes = SAID_LINE_BYTES): string {
  return [
    `SELECT lpad(coalesce((${query})::text, ''), ${lineBytes - 1}, '.') AS lifeboat_said \\gset`,
    '\\echo :lifeboat_said',
  ].join('\n')
}

/** From here on nobody else writes to these tables; reading goes on. Says so when it has come to that. */
export function holdScript(existing: readonly TableName[], lockTimeoutSeconds: number): string {
  const said = `\\echo ${'held'.padStart(SAID_LINE_BYTES - 1, '-')}`
  if (existing.length === 0) return lines([said])
  return lines([lockAll(oidsOf(existing), 'SHARE ROW EXCLUSIVE', lockTimeoutSeconds), said])
}

function oidsOf(tables: readonly TableName[]): string {
  const names = tables.map(table => quoteLiteral(quoteName(table.schema, table.name)))
  return `ARRAY[${names.map(name => `${name}::regclass`).join(', ')}]::oid[]`
}

/**
 * Locks tables, and all that foreign keys tie to them: all at once or none, in short attempts, so that neither those who
 * come after us wait for long nor do we and a writer wait for each other.
 */
function lockAll(oids: string, mode: string, timeoutSeconds: number): string {
  return `DO $lifeboat$ DECLARE
  until timestamptz := clock_timestamp() + interval '${timeoutSeconds} seconds';
  before text := current_setting('lock_timeout');
  names text; rels oid[]; who text;
BEGIN
  SELECT array_agg(DISTINCT r) INTO rels FROM (SELECT unnest(${oids}) UNION SELECT unnest(ARRAY[conrelid, confrelid])
    FROM pg_constraint WHERE contype = 'f' AND (conrelid = ANY(${oids}) OR confrelid = ANY(${oids}))) AS t(r);
  SELECT string_agg('ONLY ' || r::regclass::text, ', ' ORDER BY r) INTO names FROM unnest(rels) r;
  LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '${LOCK_ATTEMPT}', true);
      EXECUTE 'LOCK TABLE ' || names || ' IN ${mode} MODE';
      PERFORM set_config('lock_timeout', before, true);
      RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      IF clock_timestamp() > until THEN
        SELECT string_agg(DISTINCT format('%s (%s, process %s)', a.usename, nullif(a.application_name, ''), a.pid), ', ')
          INTO who FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.locktype = 'relation' AND l.relation = ANY(rels) AND l.granted AND l.pid <> pg_backend_pid();
        RAISE EXCEPTION 'lifeboat: in use for more than ${timeoutSeconds} s by %', coalesce(who, 'others');
      END IF;
    END;
    PERFORM pg_sleep(${LOCK_PAUSE_SECONDS});
  END LOOP;
END $lifeboat$;`
}

/** What is to go, and which tables of that are there. */
export interface Drops {
  readonly objects: readonly CreatedObject[]
  readonly tables: readonly TableName[]
}

/**
 * Takes hold of the tables. Foreign keys to and from them, and their triggers, are remembered and put aside: rows can then
 * be replaced without touching any other table.
 */
export function openScript(
  existing: readonly TableName[],
  drops: Drops,
  { lockTimeoutSeconds, searchPath }: { readonly lockTimeoutSeconds: number; readonly searchPath: string },
): string {
  const locked = [...existing, ...drops.tables]
  const lock = locked.length === 0 ? [] : [lockAll(oidsOf(locked), 'ACCESS EXCLUSIVE', lockTimeoutSeconds)]
  const drop = dropScript(drops.objects)
  if (existing.length === 0) return lines([...lock, ...drop])
  const oids = oidsOf(existing)
  return lines([
    ...lock,
    ...drop,
    rememberKeys(oids),
    rememberTriggers(oids),
    doEach(`SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', rel, conname) FROM pg_temp.lifeboat_keys`),
    doEach(`SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', rel, tgname) FROM pg_temp.lifeboat_triggers`),
    // It builds indexes anew, whose functions may name what only the application's path finds.
    doEach(
      `SELECT 'TRUNCATE TABLE ONLY ' || string_agg(o::regclass::text, ', ONLY ') FROM unnest(${oids}) o
      JOIN pg_class c ON c.oid = o WHERE c.relkind = 'r' HAVING count(*) > 0`,
      searchPath,
    ),
  ])
}

/**
 * Keys, and CHECKs that were never valid for the rows that come back. A constraint of a partition is its parent's: the
 * parent's is the one that can be dropped and made again.
 */
function rememberKeys(oids: string): string {
  return `CREATE TEMP TABLE lifeboat_keys ON COMMIT DROP AS
    WITH RECURSIVE key AS (
      SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f' AND (conrelid = ANY(${oids}) OR confrelid = ANY(${oids}))
      UNION SELECT parent.oid, parent.conparentid FROM pg_constraint parent JOIN key ON parent.oid = key.conparentid),
    line AS (SELECT unnest(${oids}) AS rel UNION SELECT i.inhparent FROM line JOIN pg_inherits i ON i.inhrelid = line.rel)
    SELECT c.conrelid::regclass::text AS rel, c.conname, pg_get_constraintdef(c.oid) AS def,
      obj_description(c.oid, 'pg_constraint') AS note
    FROM pg_constraint c WHERE (c.oid IN (SELECT oid FROM key) AND c.conparentid = 0)
      OR (c.contype = 'c' AND NOT c.convalidated AND c.coninhcount = 0 AND c.conrelid IN (SELECT rel FROM line));`
}

function rememberTriggers(oids: string): string {
  return `CREATE TEMP TABLE lifeboat_triggers ON COMMIT DROP AS
    SELECT tgrelid::regclass::text AS rel, tgname, tgenabled FROM pg_trigger
    WHERE tgrelid = ANY(${oids}) AND NOT tgisinternal AND tgenabled <> 'D';`
}

/** Rights that the database gives to all that is new are none that the tables had: what they had comes with the archive. */
export function revokeScript(created: readonly CreatedObject[]): string {
  const names = created.flatMap(({ kind, schema = '', name }) =>
    /^(TABLE|SEQUENCE|VIEW|MATERIALIZED VIEW)$/.test(kind) ? [quoteLiteral(quoteName(schema, name))] : [],
  )
  const routines = created.flatMap(({ kind, schema = '', name }) =>
    /^(FUNCTION|PROCEDURE|AGGREGATE)$/.test(kind) ? [quoteLiteral(`${schema}.${name}`)] : [],
  )
  const revokeRoutines = routines.length === 0 ? '' : revokeFunctions(`ARRAY[${routines.join(', ')}]`)
  if (names.length === 0) return revokeRoutines
  return lines([
    revokeRoutines,
    doEach(`SELECT format('REVOKE ALL ON %s %s FROM %s', CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
      c.oid::regclass, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
      FROM pg_class c CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM aclexplode(c.relacl)) a
      WHERE c.oid = ANY(ARRAY[${names.join(', ')}]::regclass[]) AND a.grantee <> c.relowner`),
    doEach(`SELECT format('GRANT ALL ON %s %s TO %s', CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
      c.oid::regclass, c.relowner::regrole) FROM pg_class c
      WHERE c.oid = ANY(ARRAY[${names.join(', ')}]::regclass[]) AND c.relacl IS NOT NULL`),
  ])
}

/** What is new may be called by all: so it was, where the archive says nothing else. */
function revokeFunctions(names: string): string {
  const of = `FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE p.proacl IS NOT NULL AND n.nspname || '.' || ${routineTag('p')} = ANY(${names})`
  return lines([
    doEach(`SELECT format('REVOKE ALL ON ROUTINE %s FROM %s', p.oid::regprocedure, a.grantee::regrole)
      FROM (SELECT p.oid, p.proowner, p.proacl ${of}) p CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM aclexplode(p.proacl)) a
      WHERE a.grantee NOT IN (0, p.proowner)`),
    doEach(`SELECT format('GRANT EXECUTE ON ROUTINE %s TO PUBLIC', p.oid::regprocedure) ${of}`),
  ])
}

/** Before keys are made between tables that are there: all at once, in short attempts. */
export function lockScript(tables: readonly TableName[], lockTimeoutSeconds: number): string {
  return tables.length === 0 ? '' : lines([lockAll(oidsOf(tables), 'SHARE ROW EXCLUSIVE', lockTimeoutSeconds)])
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
export function countScript(expected: ReadonlyArray<TableName & ManifestTable>, searchPath: string): string {
  return lines(
    expected.map(
      table => `DO $lifeboat$ DECLARE n bigint; BEGIN
  ${countStatement(table, searchPath)}
  IF n <> ${table.rows} THEN
    RAISE EXCEPTION 'lifeboat: %', ${quoteLiteral(displayName(table))} || ' has ' || n || ' rows, not ${table.rows}';
  END IF; END $lifeboat$;`,
    ),
  )
}

/** The planner looks into the functions of index expressions, which may name what only the application's path finds. */
function countStatement(table: TableName, searchPath: string): string {
  return underEither(`SELECT count(*) INTO n FROM ONLY ${quoteName(table.schema, table.name)};`, searchPath)
}

function underEither(statement: string, searchPath: string): string {
  return `BEGIN ${statement}
  EXCEPTION WHEN undefined_function OR undefined_table OR undefined_object OR invalid_schema_name THEN
    PERFORM set_config('search_path', ${quoteLiteral(searchPath)}, true);
    ${statement}
    PERFORM set_config('search_path', 'pg_catalog', true);
  END;`
}

export const COMMIT_SCRIPT = 'COMMIT;\n'

/** `searchPath`: where a statement does not find what it names, it is tried again under this one. */
export function doEach(query: string, searchPath?: string): string {
  const execute = 'EXECUTE statement;'
  return `DO $lifeboat$ DECLARE statement text; BEGIN
  FOR statement IN ${query} LOOP ${searchPath === undefined ? execute : underEither(execute, searchPath)} END LOOP; END $lifeboat$;`
}

export function lines(parts: readonly string[]): string {
  return `${parts.join('\n')}\n`
}
