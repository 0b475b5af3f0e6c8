import { type HttpAnswer, retryAfterMs } from '../http/index.ts'

export interface AzureFailureInit {
  readonly status: number
  /** `BlobNotFound`, `ServerBusy`, ...; empty where the server gave none. */
  readonly code: string
  readonly retryAfterMs?: number | undefined
}

/** The server said no. A foreign error: whoever uses the client wraps it once, in its own words. */
export class AzureFailure extends Error {
  override readonly name = 'AzureFailure'
  readonly status: number
  readonly code: string
  readonly retryAfterMs: number | undefined

  constructor({ status, code, retryAfterMs: waitMs }: AzureFailureInit) {
    // Its own words hold what was signed, ids and times; the code says it all.
    super(code === '' ? `the server answered with status ${status}` : `${code} (status ${status})`)
    this.status = status
    this.code = code
    this.retryAfterMs = waitMs
  }
}

/** @see https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes */
export function failureOf(answer: HttpAnswer, now: Date): AzureFailure {
  const header = answer.headers['x-ms-error-code']
  const inside = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(answer.body.toString('utf8', 0, 4096))?.[1]
  const code = typeof header === 'string' ? header.replace(/[^A-Za-z0-9]/g, '').slice(0, 64) : (inside ?? '')
  return new AzureFailure({ status: answer.status, code, retryAfterMs: retryAfterMs(answer.headers, now) })
}

/** A container that is not there is something else. */
export function isAbsent(error: unknown): boolean {
  return error instanceof AzureFailure && error.status === 404 && error.code !== 'ContainerNotFound'
}
