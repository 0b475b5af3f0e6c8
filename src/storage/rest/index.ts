import { defineStorage } from '../storage.ts'
import { restOptions } from './options.ts'

export const rest = defineStorage({
  kind: 'rest',
  summary: 'A server for restic: rest-server, rclone serve restic',
  forms: ['rest:https://host:port/path/'],
  matches: url => url.startsWith('rest:'),
  options: restOptions,
  folderOf: () => undefined,
  access: (_url, { password }) => ({
    credentials:
      password === undefined
        ? [{ what: 'login of the REST server', variables: ['RESTIC_REST_USERNAME', 'RESTIC_REST_PASSWORD'] }]
        : [],
    permissions: [],
  }),
  load: async () => (await import('./open.ts')).openRestStorage,
})
