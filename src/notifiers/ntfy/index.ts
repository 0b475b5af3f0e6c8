import { defineNotifier } from '../notifier.ts'
import { ntfyOptions } from './options.ts'

export const ntfy = defineNotifier({
  kind: 'ntfy',
  summary: 'a phone, by ntfy',
  options: ntfyOptions,
  load: async () => (await import('./ntfy.ts')).openNtfy,
})
