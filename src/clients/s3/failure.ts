import { contentLength, type HttpAnswer, retryAfterMs } from '../http/index.ts'
import { parseXml, textOf, type XmlElement } from '../xml/xml.ts'

export interface S3FailureInit {
  readonly status: number
  /** `NoSuchKey`, `SlowDown`, ...; empty where the server gave none. */
  readonly code: string
  readonly text: string
  /** The region that the server wants the request to be signed for. */
  readonly region?: string | undefined
  readonly retryAfterMs?: number | undefined
  /** The server's clock. */
  readonly serverTime?: Date | undefined
}

/** The server said no. A foreign error: whoever uses the client wraps it once, in its own words. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure'
  readonly status: number
  readonly code: string
  readonly region: string | undefined
  readonly retryAfterMs: number | undefined
  readonly serverTime: Date | undefined

  constructor({ status, code, text, region, retryAfterMs: waitMs, serverTime }: S3FailureInit) {
    super(text)
    this.status = status
    this.code = code
    this.region = region
    this.retryAfterMs = waitMs
    this.serverTime = serverTime
  }
}

const LONGEST_TEXT = 200
const REGION = /^[a-z0-9][a-z0-9-]{0,40}$/

/** An answer that is no success as a failure; what it says is made fit to be shown. */
export function failureOf(answer: HttpAnswer, now: Date): S3Failure {
  const root = xmlOf(answer.body)
  const error = root?.name === 'Error' ? root : undefined
  const code = word(error && textOf(error, 'Code'))
  const said = plain(error && textOf(error, 'Message'))
  const region = word((error && textOf(error, 'Region')) ?? headerOf(answer, 'x-amz-bucket-region'))
  const date = Date.parse(headerOf(answer, 'date') ?? '')
  const named = [code, said].filter(part => part !== '').join(': ')
  return new S3Failure({
    status: answer.status,
    code,
    text: named === '' ? `the server answered with status ${answer.status}` : named,
    region: REGION.test(region) ? region : undefined,
    retryAfterMs: retryAfterMs(answer.headers, now),
    serverTime: Number.isNaN(date) ? undefined : new Date(date),
  })
}

/** A failure that a server put into an answer of success; undefined where there is none. Of objects only for those that are no XML. */
export function failureInside(answer: HttpAnswer, now: Date): S3Failure | undefined {
  if ((contentLength(answer.headers) ?? answer.body.length) > 64 * 1024) return undefined
  if (!/^\ufeff?\s*</.test(answer.body.toString('latin1', 0, 64))) return undefined
  return xmlOf(answer.body)?.name === 'Error' ? failureOf(answer, now) : undefined
}

function xmlOf(body: Buffer): XmlElement | undefined {
  try {
    return body.length === 0 ? undefined : parseXml(body.toString('utf8'))
  } catch {
    // A page of some proxy, or nothing that is XML.
    return undefined
  }
}

function headerOf({ headers }: HttpAnswer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

const word = (text = ''): string => text.replace(/[^A-Za-z0-9._-]/g, '').slice(0, 64)

/** One line, without a URL's query and without what looks like a signature or a token. */
function plain(text = ''): string {
  const line = text
    .replace(/[\p{C}\s]+/gu, ' ')
    .replace(/\?[^\s]*/g, '')
    .replace(/[A-Za-z0-9+/=_-]{40,}/g, '***')
    .trim()
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}...` : line.replace(/\.$/, '')
}
