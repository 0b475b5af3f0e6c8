import type { AdapterContext } from '../../base/adapter-context.ts'
import { AppError } from '../../base/errors.ts'
import { HttpClient } from '../../clients/http/index.ts'
import { loadAuthorities } from '../authorities.ts'
import { withConnections } from '../connections.ts'
import { restError } from '../rest-errors.ts'
import { REST_TRAITS, RestStorage } from '../rest-storage.ts'
import type { Storage } from '../storage.ts'
import type { RestOptions } from './options.ts'

export async function openRestStorage(url: string, options: RestOptions, context: AdapterContext): Promise<Storage> {
  const place = placeOf(url)
  const { environment } = context
  const username = options.username ?? place.username ?? (environment['RESTIC_REST_USERNAME'] || undefined)
  const password = options.password
    ? (await context.loadSecret('password of the REST server', options.password)).reveal()
    : (environment['RESTIC_REST_PASSWORD'] ?? '')
  const traits = withConnections(REST_TRAITS, options.connections)
  const http = new HttpClient({
    // Listings are not counted among the calls at once.
    maxSockets: traits.concurrency + 2,
    ca: await loadAuthorities(options.caFile, context),
    environment,
    bandwidth: context.bandwidth,
  })
  const login = Buffer.from(`${username ?? ''}:${password}`).toString('base64')
  return new RestStorage({
    http,
    origin: place.origin,
    path: place.path,
    location: url,
    traits,
    authorization: username === undefined ? undefined : `Basic ${login}`,
    clock: context.clock,
    kind: 'rest',
    wrap: restError,
  })
}

export interface RestPlace {
  readonly origin: string
  /** Encoded; begins and ends with a slash. */
  readonly path: string
  readonly username: string | undefined
}

/** As restic reads it, but without a password. Throws `usage`. */
export function placeOf(text: string): RestPlace {
  const url = URL.parse(text.slice('rest:'.length))
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw invalid('it is no address of the web', 'Write rest:https://host:port/path/.')
  }
  if (url.password !== '') {
    throw invalid('it holds a password', 'Leave it out: set RESTIC_REST_PASSWORD, or name it with storage.password.')
  }
  return {
    origin: url.origin,
    path: url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`,
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
  }
}

function invalid(why: string, hint: string): AppError {
  return new AppError('usage', `cannot use the repository url rest:...: ${why}`, { hint })
}
