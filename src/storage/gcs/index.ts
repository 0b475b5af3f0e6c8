import { defineStorage } from '../storage.ts'
import { gcsAccess } from './access.ts'
import { options } from './options.ts'

export const gcs = defineStorage({
  kind: 'gcs',
  summary: 'A bucket of Google Cloud Storage',
  forms: ['gs:BUCKET:/FOLDER'],
  matches: url => /^gs:/i.test(url),
  options,
  folderOf: () => undefined,
  access: gcsAccess,
  load: async () => (await import('./open.ts')).openGcsStorage,
})
