import { createHmac } from 'node:crypto'
import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Notice, Notifier } from '../notifier.ts'
import { loadAddress, Poster } from '../post.ts'
import type { WebhookOptions } from './options.ts'

/** Sends a notice as it is. The time is part of what is signed, so that nobody can send it again later. */
export async function openWebhook({ url, secret }: WebhookOptions, context: AdapterContext): Promise<Notifier> {
  const address = await loadAddress('webhook address', url, context)
  const key = secret && (await context.loadSecret('webhook secret', secret))
  const poster = new Poster(context)
  return {
    send: async (notice: Notice, signal: AbortSignal) => {
      const body = JSON.stringify(notice)
      const timestamp = String(Math.floor(context.clock.now().getTime() / 1000))
      const signed = key && createHmac('sha256', key.reveal()).update(`${timestamp}.${body}`).digest('hex')
      const signature = signed && { 'x-lifeboat-timestamp': timestamp, 'x-lifeboat-signature': `sha256=${signed}` }
      await poster.post({ address, body, headers: { 'idempotency-key': notice.id, ...signature } }, signal)
    },
    close: async () => poster.close(),
  }
}
