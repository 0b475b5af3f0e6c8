import { defineNotifier } from '../notifier.ts'
import { emailOptions } from './options.ts'

export const email = defineNotifier({
  kind: 'email',
  summary: 'e-mail, by an SMTP server',
  options: emailOptions,
  load: async () => (await import('./email.ts')).openEmail,
})
