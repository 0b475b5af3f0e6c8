import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Query, QueryAnswer } from '../../operations/query/query.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { queryJson } from '../../outputs/query.ts'
import type { CopyValue } from '../../sources/source.ts'
import type { Call, Command, Output } from '../command.ts'
import { formatCsv } from '../printers/csv.ts'
import { counted, formatTable } from '../printers/text.ts'
import { ORIGIN_OPTIONS, pointOrMoment, repoOf } from '../selection.ts'

const DEFAULT_LIMIT = 1000
const DEFAULT_TIMEOUT_MS = 60_000

export const query: Command<Printed<'query'>> = {
  name: 'query',
  summary: 'query a recovery point of a database with SQL',
  description: [
    'Restores the recovery point to a temporary copy, runs one statement on it, and removes it. The copy is masked if the source has a mask for its test copies ("restore: { mask: ... }"). The statement may only read, and can reach nothing but the copy: no other database, no file, no program.',
    'SQLite takes SELECT, WITH, VALUES, EXPLAIN, and a PRAGMA that sets nothing. PostgreSQL takes SELECT, WITH, VALUES and TABLE; its copy is in a server of its own, which is started for the query with the server programs (postgresql-NN) of this machine, as a role that may only read. Not for kind postgres-cluster.',
  ],
  arguments: [
    { name: 'source', summary: 'name of a source in the configuration', required: true, complete: 'sources' },
    { name: 'point', summary: 'an id, latest (default), or a time like "3h ago"' },
    { name: 'sql', summary: 'one statement that only reads; always last' },
  ],
  options: [
    { flags: '--csv', summary: 'print CSV with a header; NULL is empty, an empty text is ""' },
    { flags: '--database <name>', summary: 'of a recovery point of several databases: this one (default the first)' },
    { flags: '--limit <rows>', summary: `print at most this many rows (default ${DEFAULT_LIMIT})` },
    { flags: '--timeout <duration>', summary: 'how long the statement may take (default 1m)' },
    ...ORIGIN_OPTIONS,
  ],
  examples: [
    { command: 'lifeboat query app "SELECT count(*) FROM users"', explains: 'the newest recovery point' },
    {
      command: `lifeboat query app "1d ago" "SELECT * FROM users WHERE id = 7"`,
      explains: 'a row as it was yesterday',
    },
    { command: 'lifeboat query app --from offsite "SELECT count(*) FROM users"', explains: 'from that repository' },
    { command: 'lifeboat query app 3f2a "SELECT * FROM orders" --csv > orders.csv', explains: 'export a table' },
  ],
  run: async call => {
    const { query: ask } = await import('../../operations/query/query.ts')
    const wanted = queryOf(call)
    const csv = call.values.flag('csv')
    if (csv && call.json) {
      throw new AppError('usage', '--csv and --json exclude each other', { hint: 'Leave one of them out.' })
    }
    const app = await call.openApp()
    const answer = await ask(app, wanted, call.caller)
    return {
      json: queryJson(wanted, answer),
      text: csv ? csvOf(call, answer) : tableOf(call, wanted, answer),
      ...problemsOf(wanted, answer),
    }
  },
}

function queryOf(call: Call): Query {
  const { values } = call
  const source = values.required('source')
  const [first, second] = [values.text('point'), values.text('sql')]
  const [point, sql] = second === undefined ? [undefined, first] : [first, second]
  if (sql === undefined) {
    throw new AppError('usage', 'there is no statement', {
      hint: `Put it last, in quotes: lifeboat query ${source} "SELECT name FROM sqlite_schema"`,
    })
  }
  return {
    source,
    point: pointOrMoment(call, point),
    repository: repoOf(call),
    host: values.text('host'),
    database: values.text('database'),
    sql,
    limit: values.count('limit', '--limit') ?? DEFAULT_LIMIT,
    timeoutMs: values.durationMs('timeout', '--timeout') ?? DEFAULT_TIMEOUT_MS,
  }
}

/** A file that was asked for has its bytes as they are; what a terminal shows must not steer it. */
function csvOf({ terminal }: Call, { columns, rows }: QueryAnswer): string | Uint8Array {
  const text = formatCsv(columns, rows)
  return terminal.stdout.isTTY === true ? text : Buffer.from(text)
}

function tableOf({ terminal }: Call, { source }: Query, { chosen, masked, columns, rows }: QueryAnswer): string {
  const table = formatTable(
    columns.map((title, at) => ({
      title,
      value: (row: readonly CopyValue[]) => cellOf(row[at] ?? null),
      right: rows.every(row => typeof row[at] === 'bigint' || typeof row[at] === 'number'),
    })),
    rows,
    terminal.out,
  )
  const { name, snapshot } = chosen
  const point = `${source} of ${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, 8)} in ${name})`
  return `${table}${counted(rows.length, 'row')}, ${point}${masked ? ', masked' : ''}\n`
}

/** One long text must not spoil all lines. */
const SHOWN_CHARS = 120

function cellOf(value: CopyValue): string {
  const text =
    value === null ? 'NULL' : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS - 1)}…`
}

function problemsOf({ limit }: Query, { rows, more }: QueryAnswer): Pick<Output, 'problems'> {
  if (!more) return {}
  const hint =
    rows.length === limit
      ? 'Add --limit with a greater number, or ask for less.'
      : 'An answer holds 16 MiB: ask for fewer columns, or for a part at a time.'
  return { problems: `There are more rows than these ${rows.length}. ${hint}\n` }
}
