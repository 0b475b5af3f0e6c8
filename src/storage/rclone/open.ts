import { resolve } from 'node:path'
import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Bandwidth } from '../../base/bandwidth.ts'
import { AppError } from '../../base/errors.ts'
import { typedPath } from '../../base/typed-path.ts'
import { RcloneClient } from '../../clients/rclone/index.ts'
import { REST_TRAITS, type RestClient, RestStorage } from '../rest-storage.ts'
import type { Storage } from '../storage.ts'
import type { RcloneOptions } from './options.ts'
import { rcloneError } from './rclone-errors.ts'

/** restic's own. `--b2-hard-delete`: what is removed at Backblaze is gone instead of hidden. */
const DEFAULT_ARGUMENTS = ['serve', 'restic', '--stdio', '--b2-hard-delete']

/** Starts nothing: that is done by the first call. */
export async function openRcloneStorage(
  url: string,
  options: RcloneOptions,
  context: AdapterContext,
): Promise<Storage> {
  const place = placeOf(url)
  const { environment, clock } = context
  const client = new RcloneClient({ command: commandOf(place, options, context), environment })
  return new RestStorage({
    http: context.bandwidth === undefined ? client : throttled(client, context.bandwidth),
    origin: 'http://rclone',
    path: '/',
    location: url,
    traits: REST_TRAITS,
    authorization: undefined,
    clock,
    kind: 'rclone',
    wrap: async (call, error) => await rcloneError(call, error, place, client),
  })
}

/** rclone has its own connections: bodies pass to it whole, and the next one waits until that is paid for. */
function throttled(client: RestClient, { up, down }: Bandwidth): RestClient {
  return {
    request: async request => {
      const bytes = request.body?.reduce((sum, part) => sum + part.length, 0) ?? 0
      if (bytes > 0) await up?.take(bytes, request.signal)
      const answer = await client.request(request)
      await down?.take(answer.body.length, request.signal)
      return answer
    },
    close: () => client.close(),
  }
}

function commandOf(
  place: string,
  { program = 'rclone', args = DEFAULT_ARGUMENTS }: RcloneOptions,
  { baseDir, environment }: AdapterContext,
): string[] {
  const [name = '', ...first] = [program].flat()
  const path = typedPath(name, environment)
  return [path.includes('/') ? resolve(baseDir, path) : path, ...first, ...args, place]
}

/** As rclone allows them for remotes in its configuration. */
const REMOTE = /^[\p{L}\p{N}_.+@](?:[\p{L}\p{N}_.+@ -]*[\p{L}\p{N}_.+@-])?$/u

/**
 * What rclone is told: `REMOTE:PATH`. Throws `usage` for what is no remote of its configuration: a connection string may
 * hold secrets or run programs, and a URL is shown, kept in backups, and brought back from there.
 */
export function placeOf(url: string): string {
  const rest = url.slice('rclone:'.length)
  const [, remote = '', path = ''] = /^([^:]*):(.*)$/s.exec(rest) ?? []
  const hint = 'Write rclone:REMOTE:PATH, with the name of a remote that "rclone listremotes" shows.'
  if (rest === '' || !rest.includes(':')) throw invalid('it names no remote', hint)
  if (remote === '' || /[,=]/.test(remote)) {
    throw invalid('it holds settings of a remote', `Put them into rclone's configuration ("rclone config"). ${hint}`)
  }
  if (!REMOTE.test(remote)) throw invalid(`a remote cannot be called ${JSON.stringify(remote)}`, hint)
  if (/\p{Cc}/u.test(path)) throw invalid('its path holds a control character', hint)
  return `${remote}:${path}`
}

function invalid(why: string, hint: string): AppError {
  return new AppError('usage', `cannot use the repository url rclone:...: ${why}`, { hint })
}
