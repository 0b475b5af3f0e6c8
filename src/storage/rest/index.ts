import { defineStorage } from '../storage.ts'
import { restOptions } from './options.ts'

export const rest = defineStorage({
  kind: 'rest',
  summary: 'A server for restic: rest-server, rclone serve restic',
  forms: ['rest:https://host:port/path/'],
  matches: url => url.startsWith('rest:'),
  options: restOptions,
  folderOf: () => undefined,
  load: async () => (await import('./open.ts')).openRestStorage,
})
