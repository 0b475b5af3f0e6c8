import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Notice, Notifier } from '../notifier.ts'
import { loadAddress, Poster } from '../post.ts'
import type { NtfyOptions } from './options.ts'

const PRIORITIES = { error: 5, warning: 4, info: 3 } as const
const TAGS = { error: 'rotating_light', warning: 'warning', info: 'white_check_mark' } as const

/** @see https://docs.ntfy.sh/publish/#publish-as-json */
export async function openNtfy({ url, token }: NtfyOptions, context: AdapterContext): Promise<Notifier> {
  const { path, ...server } = await loadAddress('ntfy topic', url, context)
  const key = token && (await context.loadSecret('ntfy token', token))
  const poster = new Poster(context)
  const at = path.lastIndexOf('/') + 1
  const address = { ...server, path: path.slice(0, at) }
  const headers = key && { authorization: `Bearer ${key.reveal()}` }
  return {
    send: async ({ title, text, severity, event }: Notice, signal: AbortSignal) => {
      const shown = event === 'closed' ? 'info' : severity
      const message = { topic: path.slice(at), title, message: text, priority: PRIORITIES[shown], tags: [TAGS[shown]] }
      await poster.post({ address, body: JSON.stringify(message), headers }, signal)
    },
    close: async () => poster.close(),
  }
}
