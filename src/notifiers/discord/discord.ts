import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Notice, Notifier } from '../notifier.ts'
import { loadAddress, Poster } from '../post.ts'
import type { DiscordOptions } from './options.ts'

const COLORS = { error: 0xd32f2f, warning: 0xf9a825, info: 0x388e3c } as const
const [TITLE_CHARS, TEXT_CHARS] = [256, 4000]

/** @see https://discord.com/developers/docs/resources/webhook#execute-webhook */
export async function openDiscord({ url }: DiscordOptions, context: AdapterContext): Promise<Notifier> {
  const address = await loadAddress('Discord webhook', url, context)
  const poster = new Poster(context)
  return {
    send: async (notice: Notice, signal: AbortSignal) =>
      void (await poster.post({ address, body: JSON.stringify(messageOf(notice)) }, signal)),
    close: async () => poster.close(),
  }
}

function messageOf({ title, text, severity, event, host, at }: Notice) {
  const embed = {
    title: title.slice(0, TITLE_CHARS),
    description: text.slice(0, TEXT_CHARS),
    color: COLORS[event === 'closed' ? 'info' : severity],
    footer: { text: host },
    timestamp: at.toISOString(),
  }
  // Nobody is called by a name in it.
  return { embeds: [embed], allowed_mentions: { parse: [] } }
}
