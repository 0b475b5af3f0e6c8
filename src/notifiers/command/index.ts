import { defineNotifier } from '../notifier.ts'
import { commandOptions } from './options.ts'

export const command = defineNotifier({
  kind: 'command',
  summary: 'a program of yours',
  options: commandOptions,
  load: async () => (await import('./command.ts')).openCommand,
})
