import { defineStorage } from '../storage.ts'
import { FORMS } from './location.ts'
import { sftpOptions } from './options.ts'

export const sftp = defineStorage({
  kind: 'sftp',
  summary: 'A folder of another machine, by SFTP',
  forms: FORMS,
  matches: url => url.startsWith('sftp:'),
  options: sftpOptions,
  folderOf: () => undefined,
  load: async () => (await import('./sftp-storage.ts')).openSftpStorage,
})
