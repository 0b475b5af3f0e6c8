import { quoteIdentifier, quoteName, type Session, serverWords } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { TocEntry } from '../archive/toc.ts'
import { tryUnder } from '../search-path.ts'

export interface Check {
  /** `TABLE ONLY public.post`, `DOMAIN public.mail`. */
  readonly table: string
  readonly name: string
  readonly definition: string
}

const CHECK = `CASE WHEN c.conrelid <> 0 THEN 'TABLE ' || c.conrelid::regclass ELSE 'DOMAIN ' || c.contypid::regtype END AS table,
  c.conname AS name, pg_get_constraintdef(c.oid) AS definition`

const CHECKS = `
WITH RECURSIVE line AS (
  SELECT $1::regclass::oid AS rel UNION SELECT i.inhparent FROM line JOIN pg_inherits i ON i.inhrelid = line.rel),
types AS (
  SELECT a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
  UNION SELECT t.typbasetype FROM types JOIN pg_type t ON t.oid = types.type AND t.typtype = 'd')
SELECT ${CHECK}
FROM pg_constraint c WHERE c.contype = 'c' AND c.coninhcount = 0
  AND (c.conrelid IN (SELECT rel FROM line) OR c.contypid IN (SELECT type FROM types)) ORDER BY c.oid`

/** Of the table, the tables it inherits them from, and the domains of its columns. */
export async function listChecks(session: Session, { schema = 'public', tag }: TocEntry): Promise<Check[]> {
  return await session.query<Check & Record<string, unknown>>(CHECKS, [quoteName(schema, tag)])
}

/** As it was where the rows keep to it; else NOT VALID, with why. */
export async function addCheck(
  session: Session,
  { table, name, definition }: Check,
  paths: readonly string[],
): Promise<string | undefined> {
  const add = `ALTER ${table} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`
  let problem: string | undefined
  for (const path of paths) {
    const error = await tryUnder(session, path, add)
    if (error === undefined) return undefined
    problem ??= serverWords(error)
  }
  const error = await tryUnder(session, paths[0] ?? '', `${add.replace(/ NOT VALID$/, '')} NOT VALID`)
  if (error) throw error
  return problem
}

export async function dropCheck(session: Session, { table, name }: Check): Promise<void> {
  await session.query(`ALTER ${table} DROP CONSTRAINT ${quoteIdentifier(name)}`)
}

const ALL_CHECKS = `
SELECT ${CHECK}
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
WHERE c.contype = 'c' AND c.coninhcount = 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
    AND ((d.classid = 'pg_class'::regclass AND d.objid = c.conrelid) OR (d.classid = 'pg_type'::regclass AND d.objid = c.contypid)))
ORDER BY c.oid`

/** Drops all of a database, and says what they were. */
export async function dropChecks(session: Session): Promise<Check[]> {
  const checks = await session.query<Check & Record<string, unknown>>(ALL_CHECKS)
  for (const each of checks) await dropCheck(session, each)
  return checks
}

export function checkFinding({ name, table }: Check, problem: string, target: string): Finding {
  return {
    severity: 'warning',
    code: 'constraint-not-valid',
    subject: `constraint ${name} of ${table} in database ${target}`,
    message: `rows break it, as they did when they were captured (${problem}); it came back as NOT VALID, for new rows only`,
    hint: `Correct those rows, then run in ${target}: ALTER ${table} VALIDATE CONSTRAINT ${quoteIdentifier(name)};`,
  }
}
