import { defineStorage } from '../storage.ts'
import { rcloneOptions } from './options.ts'

export const rclone = defineStorage({
  kind: 'rclone',
  summary: 'A remote of rclone’s configuration, by rclone serve restic',
  forms: ['rclone:REMOTE:PATH'],
  matches: url => url.startsWith('rclone:'),
  options: rcloneOptions,
  folderOf: () => undefined,
  access: () => ({
    credentials: [
      {
        what: 'rclone, and its configuration with the remote',
        variables: [],
        elsewhere:
          'in ~/.config/rclone/rclone.conf, or in the file that RCLONE_CONFIG names; "rclone config" makes it anew',
      },
    ],
    permissions: [],
  }),
  load: async () => (await import('./open.ts')).openRcloneStorage,
})
