import { decodeName, encodeName } from '../../../../base/bytes.ts'
import { AppError } from '../../../../base/errors.ts'
import { quoteLiteral, quoteName } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { TocEntry } from '../archive/toc.ts'
import type { TableName } from '../tables/table-pattern.ts'
import { doEach, lines, tellScript } from '../tables/table-script.ts'

/** Of an archive: the content of large objects, then who owns them and may use them. */
export function largeObjectEntries(toc: readonly TocEntry[]): TocEntry[] {
  const of = (test: (entry: TocEntry) => boolean): TocEntry[] => toc.filter(test)
  return [
    ...of(({ kind }) => kind === 'BLOBS'),
    ...of(({ kind }) => kind === 'BLOB' || kind === 'BLOB METADATA'),
    ...of(({ kind, schema, tag }) => kind === 'ACL' && schema === undefined && tag.startsWith('LARGE OBJECT')),
  ]
}

/** How many of those that differ are named. */
const SHOWN = 20
/** Room for that many numbers, and a comma after each. */
export const NUMBERS_LINE_BYTES = 256

/** Columns by which rows refer to large objects: `oid`, and domains over it like `lo` of the extension of that name. */
const REFERENCES = (oids: string): string => `SELECT format('INSERT INTO pg_temp.lifeboat_wanted
    SELECT x::oid FROM (SELECT %s AS x FROM ONLY %s) t WHERE x IS NOT NULL ON CONFLICT DO NOTHING',
    CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN format('unnest(%I)', a.attname) ELSE quote_ident(a.attname) END,
    a.attrelid::regclass)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typlen = -1
  WHERE c.oid = ANY(${oids}) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    AND 'oid'::regtype IN (t.oid, t.typbasetype, e.oid, e.typbasetype)`

/**
 * Makes what `takeLargeObjects` calls: one that rows refer to comes back where the database lacks it, under its own number,
 * and one that is there is never written to. Nobody knows what else refers to it, and no safety point of tables holds it:
 * it is only compared.
 */
export function openLargeObjects(tables: readonly TableName[] | 'all', searchPath: string): string {
  const wanted = tables === 'all' ? 'true' : 'EXISTS (SELECT FROM pg_temp.lifeboat_wanted w WHERE w.id = number)'
  return lines([
    'CREATE TEMP TABLE lifeboat_wanted (id oid PRIMARY KEY) ON COMMIT DROP;',
    ...(tables === 'all' ? [] : [collect(tables, searchPath)]),
    'CREATE TEMP TABLE lifeboat_objects (id oid PRIMARY KEY, made boolean, differs boolean) ON COMMIT DROP;',
    define('open(number oid)', [
      `PERFORM set_config('lifeboat.at', '0', true);`,
      `IF NOT (${wanted}) THEN`,
      `  PERFORM set_config('lifeboat.doing', '', true);`,
      'ELSIF EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = number) THEN',
      '  INSERT INTO pg_temp.lifeboat_objects SELECT number, false, NOT pg_has_role(m.lomowner, $a$USAGE$a$)',
      '    FROM pg_largeobject_metadata m WHERE m.oid = number;',
      `  PERFORM set_config('lifeboat.doing', CASE WHEN differs THEN '' ELSE 'compare' END, true)`,
      '    FROM pg_temp.lifeboat_objects WHERE id = number;',
      'ELSE',
      '  PERFORM lo_create(number);',
      '  INSERT INTO pg_temp.lifeboat_objects VALUES (number, true, false);',
      `  PERFORM set_config('lifeboat.doing', 'write', true);`,
      'END IF;',
      `PERFORM set_config('lifeboat.number', number::text, true);`,
    ]),
    define('part(bytes bytea)', [
      `IF ${DOING} = 'write' THEN PERFORM lo_put(${NUMBER}, ${AT}, bytes);`,
      `ELSIF ${DOING} = 'compare' AND lo_get(${NUMBER}, ${AT}, length(bytes)) <> bytes THEN ${DIFFERS} END IF;`,
      `PERFORM set_config('lifeboat.at', (${AT} + length(bytes))::text, true);`,
    ]),
    define('close()', [`IF ${DOING} = 'compare' AND length(lo_get(${NUMBER}, ${AT}, 1)) > 0 THEN ${DIFFERS} END IF;`]),
    define('grant(number oid, statement text)', [
      'IF EXISTS (SELECT FROM pg_temp.lifeboat_objects o WHERE o.id = number AND o.made) THEN EXECUTE statement; END IF;',
    ]),
  ])
}

const DOING = `current_setting('lifeboat.doing')`
const NUMBER = `current_setting('lifeboat.number')::oid`
const AT = `current_setting('lifeboat.at')::int8`
const DIFFERS = `UPDATE pg_temp.lifeboat_objects SET differs = true WHERE id = ${NUMBER};
  PERFORM set_config('lifeboat.doing', '', true);`

function define(signature: string, body: readonly string[]): string {
  return `CREATE FUNCTION pg_temp.lifeboat_${signature} RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS
  $lifeboat$ BEGIN ${body.join('\n  ')} END $lifeboat$;`
}

/** The planner looks into the functions of index expressions, which may name what only the application's path finds. */
function collect(tables: readonly TableName[], searchPath: string): string {
  const names = tables.map(table => quoteLiteral(quoteName(table.schema, table.name)))
  return doEach(REFERENCES(`ARRAY[${names.join(', ')}]::regclass[]`), searchPath)
}

const OPEN = /^SELECT pg_catalog\.lo_open\('(\d+)', \d+\);$/
const PART = /^SELECT pg_catalog\.lowrite\(0, ('.*')\);$/
const CLOSE = 'SELECT pg_catalog.lo_close(0);'
const ABOUT_ONE = /^(?:ALTER|GRANT|REVOKE) .*?\bLARGE OBJECT (\d+) .*;$/
/** Also of the transaction that pg_restore would put around them: ours goes on. */
const PASSED_OVER =
  /^(?:|--.*|BEGIN;|COMMIT;|\\(?:un)?restrict .*|SET \w+ = .*;|SELECT pg_catalog\.(?:set_config\(.*\)|lo_create\('\d+'\));)$/
const KEPT = /^SET (?:client_encoding|standard_conforming_strings) = /

/** Pure: one line of what pg_restore writes of large objects, as our functions take it; undefined for one to leave out. */
export function takeLargeObject(line: Buffer): Buffer | undefined {
  const text = line.toString('latin1')
  const write = (statement: string): Buffer => Buffer.from(`${statement}\n`, 'latin1')
  const part = PART.exec(text)
  if (part !== null) return write(`SELECT pg_temp.lifeboat_part(${part[1]});`)
  const open = OPEN.exec(text)
  if (open !== null) return write(`SELECT pg_temp.lifeboat_open(${open[1]});`)
  if (text === CLOSE) return write('SELECT pg_temp.lifeboat_close();')
  if (KEPT.test(text)) return write(text)
  const about = ABOUT_ONE.exec(text)
  // As text: a literal is put together from characters, not from bytes.
  if (about !== null)
    return encodeName(`SELECT pg_temp.lifeboat_grant(${about[1]}, ${quoteLiteral(decodeName(line))});\n`)
  if (PASSED_OVER.test(text)) return undefined
  throw new AppError('unsupported', `large objects of the archive read as nobody expects: ${text.slice(0, 80)}`, {
    hint: 'Restore the whole snapshot to a new database with --to, and take rows and large objects from there.',
  })
}

/** How many were made, how many of those that are there differ, and the numbers of the first of these. */
export const TELL_LARGE_OBJECTS = lines([
  tellScript('SELECT count(*) FILTER (WHERE made) FROM pg_temp.lifeboat_objects'),
  tellScript('SELECT count(*) FILTER (WHERE differs) FROM pg_temp.lifeboat_objects'),
  tellScript(
    `SELECT string_agg(id::text, ',') FROM (SELECT id FROM pg_temp.lifeboat_objects WHERE differs ORDER BY 1 LIMIT ${SHOWN}) t`,
    NUMBERS_LINE_BYTES,
  ),
])

export interface LargeObjects {
  readonly made: number
  readonly differing: number
  /** Of the first of them. */
  readonly numbers: readonly string[]
}

export function largeObjectFindings(database: string, { made, differing, numbers }: LargeObjects): Finding[] {
  const findings: Finding[] = []
  if (made > 0)
    findings.push({
      severity: 'info',
      code: 'large-objects-restored',
      subject: `database ${database}`,
      message: `${made} large objects that the database lacked came back; undo leaves them there`,
    })
  if (differing === 0) return findings
  const more = differing > numbers.length ? `, and ${differing - numbers.length} more` : ''
  const unlink = numbers.map(number => `SELECT lo_unlink(${number});`).join(' ')
  findings.push({
    severity: 'warning',
    code: 'large-objects-not-restored',
    subject: `large objects ${numbers.join(', ')}${more} of database ${database}`,
    message:
      'they are there already, and do not hold what was captured, or may not be read: they were left as they are',
    hint: `Where nothing needs what they hold now, run in ${database}: ${unlink} Then restore again.`,
  })
  return findings
}
