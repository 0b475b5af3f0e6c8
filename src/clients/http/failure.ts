import { systemCode } from '../../base/errors.ts'

/**
 * Why a request got no whole answer:
 *
 * - `no-host`: its name means nothing, and never did as long as this client lives
 * - `untrusted`: its certificate is not believed, or it speaks no TLS
 * - `unreachable`: refused, no route, a name that could not be looked up now
 * - `stalled`: no byte came or went for too long
 * - `cut`: the connection broke, or the answer ended early
 * - `malformed`: what came is no answer that HTTP/1.1 knows, or longer than it may be
 */
export type HttpFailureKind = 'no-host' | 'untrusted' | 'unreachable' | 'stalled' | 'cut' | 'malformed'

/** A foreign error: whoever uses the client wraps it once, in its own words. The message holds no URL and no header. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure'
  readonly kind: HttpFailureKind

  constructor(kind: HttpFailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_|ERR_TLS_CERT)/
const NO_TLS = /^(EPROTO|ERR_SSL_)/
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
])

/** What Node says of a connection, as one of our kinds. */
export function failureOf(error: unknown, host: string, wasReached: boolean): HttpFailure {
  if (error instanceof HttpFailure) return error
  const code = codeOf(error) ?? ''
  const kinds = (kind: HttpFailureKind, message: string): HttpFailure => new HttpFailure(kind, message, error)
  if (code === 'ENOTFOUND') return kinds(wasReached ? 'unreachable' : 'no-host', `there is no host ${host}`)
  if (CERTIFICATE.test(code)) return kinds('untrusted', `the certificate of ${host} is not believed (${code})`)
  if (NO_TLS.test(code)) return kinds('untrusted', `${host} does not speak TLS as we do (${code})`)
  if (UNREACHABLE.has(code)) return kinds('unreachable', `${host} cannot be reached (${code})`)
  if (code.startsWith('HPE_')) return kinds('malformed', `what ${host} answers is not HTTP (${code})`)
  return kinds('cut', `the connection to ${host} broke${code === '' ? '' : ` (${code})`}`)
}

/** Where a name has several addresses, Node throws one error of all of them. */
function codeOf(error: unknown): string | undefined {
  return (error instanceof AggregateError ? systemCode(error.errors[0]) : undefined) ?? systemCode(error)
}
