import type { QueryArrayResult } from 'pg'
import { formatDuration } from '../../../../base/durations.ts'
import { messageOf, throwIfAborted } from '../../../../base/errors.ts'
import { type ConnectionSettings, type Session, withSession } from '../../../../clients/postgres/index.ts'
import type { CopyAnswer, CopyQuestion, CopyValue } from '../../../source.ts'

const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** What comes in one piece is in memory before we can look at it. */
const MAX_PIECE_BYTES = 64 * 1024 * 1024
const PORTION_BYTES = 4 * 1024 * 1024
const MAX_PORTION_ROWS = 1000

/**
 * One statement by a role that may only read. The time is ours to keep: a statement can change its own `statement_timeout`.
 * After that time the connection is cut; the caller stops the server, and with it what still runs.
 */
export async function askConfined(
  settings: ConnectionSettings,
  question: CopyQuestion,
  signal: AbortSignal,
): Promise<CopyAnswer> {
  const late = AbortSignal.timeout(Math.ceil(question.timeoutMs))
  try {
    const both = AbortSignal.any([signal, late])
    return await withSession(settings, { signal: both }, session => askIn(session, question))
  } catch (error) {
    throwIfAborted(signal)
    return { problem: late.aborted ? `no answer within ${formatDuration(question.timeoutMs)}` : messageOf(error) }
  }
}

type Row = Array<CopyValue>

/** A cursor, so that a statement that gives millions of rows costs as many as are wanted. */
async function askIn({ client }: Session, { sql, limit }: CopyQuestion): Promise<CopyAnswer> {
  let pieceBytes = 0
  const { stream } = (
    client as unknown as {
      readonly connection: { readonly stream: NodeJS.ReadableStream & { destroy(error: Error): void } }
    }
  ).connection
  stream.on('data', (part: Buffer) => {
    pieceBytes += part.length
    if (pieceBytes > MAX_PIECE_BYTES)
      stream.destroy(new Error('a row has more than 64 MiB: ask for parts of its values'))
  })
  await client.query('RESET search_path; BEGIN READ ONLY')
  // With the extended protocol the server takes one statement and no more.
  const declare = { text: `DECLARE asked NO SCROLL CURSOR FOR ${sql.replace(/[;\s]+$/, '')}`, queryMode: 'extended' }
  await client.query(declare)
  const rows: Row[] = []
  let [columns, bytes, wanted]: [string[], number, number] = [[], 0, 1]
  while (rows.length <= limit) {
    pieceBytes = 0
    const found: QueryArrayResult<Row> = await client.query<Row>({
      text: `FETCH ${Math.min(wanted, limit + 1 - rows.length)} FROM asked`,
      rowMode: 'array',
      types: { getTypeParser: parserOf },
    })
    columns = found.fields.map(({ name }) => name)
    if (found.rows.length === 0) return { columns, rows, more: false }
    bytes += pieceBytes
    rows.push(...found.rows)
    if (bytes > MAX_ANSWER_BYTES) break
    wanted = Math.max(1, Math.min(MAX_PORTION_ROWS, Math.floor(PORTION_BYTES / (bytes / rows.length))))
  }
  return { columns, rows: rows.slice(0, limit), more: true }
}

/** https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
const BOOLEAN = 16
const BYTES = 17
const INTEGERS: ReadonlySet<number> = new Set([20, 21, 23, 26])
const FLOATS: ReadonlySet<number> = new Set([700, 701])

/** Nearer than text only what loses nothing by it; `numeric` has more digits than a number. */
function parserOf(type: number): (text: string) => CopyValue {
  if (type === BOOLEAN) return text => String(text === 't')
  if (INTEGERS.has(type)) return text => BigInt(text)
  if (FLOATS.has(type)) return text => (Number.isFinite(Number(text)) ? Number(text) : text)
  if (type === BYTES) return text => (text.startsWith('\\x') ? new Uint8Array(Buffer.from(text.slice(2), 'hex')) : text)
  return text => text
}
