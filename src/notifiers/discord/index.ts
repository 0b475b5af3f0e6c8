import { defineNotifier } from '../notifier.ts'
import { discordOptions } from './options.ts'

export const discord = defineNotifier({
  kind: 'discord',
  summary: 'a channel of Discord, by a webhook',
  options: discordOptions,
  load: async () => (await import('./discord.ts')).openDiscord,
})
