import { defineNotifier } from '../notifier.ts'
import { webhookOptions } from './options.ts'

export const webhook = defineNotifier({
  kind: 'webhook',
  summary: 'JSON to an address of yours, signed if wanted',
  options: webhookOptions,
  load: async () => (await import('./webhook.ts')).openWebhook,
})
