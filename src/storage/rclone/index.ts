import { defineStorage } from '../storage.ts'
import { rcloneOptions } from './options.ts'

export const rclone = defineStorage({
  kind: 'rclone',
  summary: 'A remote of rclone’s configuration, by rclone serve restic',
  forms: ['rclone:REMOTE:PATH'],
  matches: url => url.startsWith('rclone:'),
  options: rcloneOptions,
  folderOf: () => undefined,
  load: async () => (await import('./open.ts')).openRcloneStorage,
})
