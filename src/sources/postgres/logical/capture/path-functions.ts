import type { Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'

/** Code of the finding that a backup names such a function with. */
export const NEEDS_SEARCH_PATH = 'function-needs-search-path'

/** One function of the user's that a restore calls: while it loads rows, makes indexes, fills materialized views. */
interface CalledFunction {
  /** `public.slug(text)`. */
  readonly signature: string
  readonly schema: string
  readonly name: string
  readonly body: string
  /** It has a `search_path` of its own. */
  readonly settled: boolean
  /** What calls it; empty for one that only others call. */
  readonly users: readonly string[]
}

/** What bodies can name without a schema, and would not find under an empty search path. */
export interface KnownNames {
  readonly functions: ReadonlySet<string>
  readonly relations: ReadonlySet<string>
}

const OWN = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`

/** Who calls what, by the catalog's own dependencies. A view that a materialized view reads calls what it calls. */
const FUNCTIONS = `
WITH RECURSIVE filled AS (
  SELECT c.oid AS matview, c.oid AS rel FROM pg_class c WHERE c.relkind = 'm'
  UNION SELECT f.matview, v.oid FROM filled f JOIN pg_rewrite r ON r.ev_class = f.rel
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class v ON v.oid = d.refobjid AND v.relkind = 'v'),
used AS (
  SELECT d.refobjid AS fn, 'index ' || c.oid::regclass AS who FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_proc'::regclass AND c.relkind IN ('i', 'I')
  UNION SELECT d.refobjid, 'constraint ' || c.conname || CASE WHEN c.conrelid <> 0 THEN ' of ' || c.conrelid::regclass
      ELSE ' of ' || c.contypid::regtype END
    FROM pg_depend d JOIN pg_constraint c ON c.oid = d.objid
    WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass AND c.contype = 'c'
  UNION SELECT d.refobjid, 'generated column ' || a.attname || ' of ' || a.attrelid::regclass
    FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid
      JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum AND a.attgenerated <> ''
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_proc'::regclass
  UNION SELECT d.refobjid, 'materialized view ' || f.matview::regclass
    FROM filled f JOIN pg_rewrite r ON r.ev_class = f.rel JOIN pg_depend d ON d.objid = r.oid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_proc'::regclass)
SELECT p.oid::regprocedure::text AS signature, n.nspname AS schema, p.proname AS name, p.prosrc AS body,
  EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%') AS settled,
  coalesce((SELECT array_agg(u.who ORDER BY u.who) FROM used u WHERE u.fn = p.oid), '{}') AS users
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE ${OWN} AND l.lanname IN ('sql', 'plpgsql')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1`

const NAMES = `
SELECT 'function' AS kind, p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE ${OWN} AND NOT EXISTS (SELECT FROM pg_proc o WHERE o.proname = p.proname AND o.pronamespace = 'pg_catalog'::regnamespace)
UNION SELECT 'relation', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${OWN} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`

/**
 * Functions that a restore will call, and that will not find what they name: they work for the application, whose sessions
 * have a `search_path`. Told by their text, which is cheap and runs nothing; names that they put together are not seen.
 */
export async function findPathFunctions(session: Session, searchPath: string): Promise<Finding[]> {
  const functions = await session.query<CalledFunction & Record<string, unknown>>(FUNCTIONS)
  if (functions.every(each => each.users.length === 0)) return []
  const rows = await session.query<{ kind: string; name: string }>(NAMES)
  const of = (kind: string): Set<string> => new Set(rows.filter(row => row.kind === kind).map(row => row.name))
  return describe(session.database, functions, { functions: of('function'), relations: of('relation') }, searchPath)
}

function describe(
  database: string,
  functions: readonly CalledFunction[],
  known: KnownNames,
  searchPath: string,
): Finding[] {
  const byName = new Map<string, CalledFunction[]>()
  for (const each of functions) byName.set(each.name, [...(byName.get(each.name) ?? []), each])
  const users = new Map<CalledFunction, Set<string>>()
  const reach = (called: CalledFunction, who: readonly string[]): void => {
    const there = users.get(called)
    const fresh = who.filter(each => there?.has(each) !== true)
    if (fresh.length === 0) return
    users.set(called, new Set([...(there ?? []), ...fresh]))
    // One with a path of its own gives it to those that it calls.
    if (called.settled) return
    for (const word of wordsOf(called.body)) for (const next of byName.get(word) ?? []) reach(next, who)
  }
  for (const each of functions) reach(each, each.users)
  return [...users].flatMap(([called, who]) => {
    const missing = called.settled ? [] : unqualified(called.body, known)
    if (missing.length === 0) return []
    return [
      {
        severity: 'warning' as const,
        code: NEEDS_SEARCH_PATH,
        subject: `function ${called.signature} of ${database}`,
        message: `its body names ${missing.join(', ')} without a schema, which a restore does not find where it calls it: ${[...who].join(', ')}`,
        hint: `Run in ${database}: ALTER FUNCTION ${called.signature} SET search_path = ${searchPath};`,
        affects: [...who],
      },
    ]
  })
}

/** Literals and comments hold no names. A `$tag$ ... $tag$` within a body is a literal, too. */
const NO_CODE = /--[^\n]*|\/\*[\s\S]*?\*\/|E?'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$/g
const TOKEN = /"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[.(%]/g
const BEFORE_RELATION = new Set(['from', 'join', 'into', 'update', 'table', 'only', 'using', 'setof'])

function tokensOf(body: string): string[] {
  return (body.replace(NO_CODE, ' ').match(TOKEN) ?? []).map(plain)
}

function plain(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token.toLowerCase()
}

function wordsOf(body: string): Set<string> {
  return new Set(tokensOf(body))
}

/** Pure: names of functions and relations in a body that stand there without a schema, in their order, each once. */
export function unqualified(body: string, known: KnownNames): string[] {
  const tokens = tokensOf(body)
  const found = tokens.filter((token, at) => {
    const [before, after, then] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]]
    if (before === '.' || after === '.') return false
    if (after === '(' && known.functions.has(token)) return before !== 'into'
    const named = BEFORE_RELATION.has(before ?? '') || (after === '%' && then === 'rowtype')
    return named && known.relations.has(token)
  })
  return [...new Set(found)]
}
