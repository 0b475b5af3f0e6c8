import { defineNotifier } from '../notifier.ts'
import { slackOptions } from './options.ts'

export const slack = defineNotifier({
  kind: 'slack',
  summary: 'a channel of Slack, by an incoming webhook',
  options: slackOptions,
  load: async () => (await import('./slack.ts')).openSlack,
})
