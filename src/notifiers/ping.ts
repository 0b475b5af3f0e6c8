import type { AdapterContext, SecretReference } from '../base/adapter-context.ts'
import { loadAddress, Poster } from './post.ts'

/**
 * A dead man's switch: says that we are alive, and whether all is well, by the path that healthchecks.io reads.
 *
 * @see https://healthchecks.io/docs/http_api/
 */
export async function sendPing(
  reference: SecretReference,
  isWell: boolean,
  context: AdapterContext,
  signal: AbortSignal,
): Promise<void> {
  const { path, ...server } = await loadAddress('ping address', reference, context)
  const [name = '', query] = path.split('?', 2)
  const asked = (isWell ? name : `${name.replace(/\/$/, '')}/fail`) + (query === undefined ? '' : `?${query}`)
  const poster = new Poster(context)
  try {
    await poster.post({ address: { ...server, path: asked }, body: '' }, signal)
  } finally {
    poster.close()
  }
}
