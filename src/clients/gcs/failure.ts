import { type HttpAnswer, retryAfterMs } from '../http/index.ts'

export interface GcsFailureInit {
  readonly status: number
  /** `rateLimitExceeded`, `forbidden`, ...; empty where the server gave none. */
  readonly reason: string
  readonly text: string
  readonly retryAfterMs?: number | undefined
}

/** The server said no. A foreign error: whoever uses the client wraps it once, in its own words. */
export class GcsFailure extends Error {
  override readonly name = 'GcsFailure'
  readonly status: number
  readonly reason: string
  readonly retryAfterMs: number | undefined

  constructor({ status, reason, text, retryAfterMs: waitMs }: GcsFailureInit) {
    super(text)
    this.status = status
    this.reason = reason
    this.retryAfterMs = waitMs
  }
}

const LONGEST_TEXT = 200

/**
 * An answer that is no success as a failure; what it says is made fit to be shown.
 *
 * @see https://cloud.google.com/storage/docs/json_api/v1/status-codes
 */
export function failureOf(answer: HttpAnswer, now: Date): GcsFailure {
  const { message, reason } = detailsOf(answer.body.toString('utf8'))
  return new GcsFailure({
    status: answer.status,
    reason: reason.replace(/[^A-Za-z0-9._-]/g, '').slice(0, 64),
    text: plain(message) || `the server answered with status ${answer.status}`,
    retryAfterMs: retryAfterMs(answer.headers, now),
  })
}

function detailsOf(body: string): { message: string; reason: string } {
  const nothing = { message: '', reason: '' }
  try {
    const { error } = JSON.parse(body) as {
      error?: { message?: unknown; errors?: ReadonlyArray<{ reason?: unknown }> }
    }
    const [first] = Array.isArray(error?.errors) ? error.errors : []
    return { message: text(error?.message), reason: text(first?.reason) }
  } catch {
    // Reads of objects answer in plain words; a page of some proxy is not worth showing.
    return /^\s*</.test(body) ? nothing : { ...nothing, message: body }
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** One line, without a URL's query and without what looks like a token. */
function plain(message: string): string {
  const line = message
    .replace(/[\p{C}\s]+/gu, ' ')
    .replace(/\?[^\s]*/g, '')
    .replace(/[A-Za-z0-9+=_-]{40,}/g, '***')
    .trim()
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}...` : line.replace(/\.$/, '')
}

/** A bucket that is not there is something else. */
export function isAbsent(error: unknown): boolean {
  return error instanceof GcsFailure && error.status === 404 && !/bucket does not exist/i.test(error.message)
}
