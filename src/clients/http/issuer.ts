import type { HttpAnswer } from './exchange.ts'
import { HttpClient, type HttpRequest } from './http-client.ts'

/** An identity service that is slower is none. */
const STALL_MS = 30_000

/**
 * Asks a service that issues credentials, over a connection of its own. Rejects as `HttpClient.request`.
 *
 * @param environment for a proxy; of services of the machine itself leave it empty
 */
export async function askIssuer(
  url: URL,
  request: Omit<HttpRequest, 'origin' | 'path'>,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<HttpAnswer> {
  const http = new HttpClient({ maxSockets: 1, environment, stallMs: STALL_MS })
  try {
    return await http.request({ ...request, origin: url.origin, path: `${url.pathname}${url.search}` })
  } finally {
    http.close()
  }
}

/** Would what is sent there cross a network in clear? */
export function isInClear({ protocol, hostname }: URL): boolean {
  return protocol !== 'https:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/** The code of an OAuth error, for a message; a description may repeat what was sent. */
export function issuerError({ status, body }: HttpAnswer): string {
  const code = /"error"\s*:\s*"([A-Za-z_]{1,40})"/.exec(body.toString('utf8', 0, 4096))?.[1]
  return code === undefined ? `status ${status}` : `status ${status} (${code})`
}
