import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Notice, Notifier } from '../notifier.ts'
import { loadAddress, Poster } from '../post.ts'
import type { SlackOptions } from './options.ts'

const COLORS = { error: '#d32f2f', warning: '#f9a825', info: '#388e3c' } as const
/** Of a section of text. */
const LIMIT_CHARS = 3000

/** @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export async function openSlack({ url }: SlackOptions, context: AdapterContext): Promise<Notifier> {
  const address = await loadAddress('Slack webhook', url, context)
  const poster = new Poster(context)
  return {
    send: async (notice: Notice, signal: AbortSignal) =>
      void (await poster.post({ address, body: JSON.stringify(messageOf(notice)) }, signal)),
    close: async () => poster.close(),
  }
}

function messageOf({ title, text, severity, event, host }: Notice) {
  const section = { type: 'section', text: { type: 'mrkdwn', text: escaped(text).slice(0, LIMIT_CHARS) } }
  const context = { type: 'context', elements: [{ type: 'plain_text', text: host }] }
  const color = COLORS[event === 'closed' ? 'info' : severity]
  return { text: escaped(title), attachments: [{ color, blocks: [section, context] }] }
}

/** Else a name could call everybody in the channel. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
