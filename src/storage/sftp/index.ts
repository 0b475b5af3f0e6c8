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
  access: (_url, { identityFile, knownHostsFile }) => ({
    credentials: [
      ...(identityFile === undefined
        ? [{ what: 'private key that the SFTP server lets in', variables: [], elsewhere: 'in ~/.ssh or an agent' }]
        : []),
      ...(knownHostsFile === undefined
        ? [{ what: 'key of the SFTP server, known', variables: [], elsewhere: 'log in once by ssh and say yes' }]
        : []),
    ],
    permissions: [],
  }),
  load: async () => (await import('./sftp-storage.ts')).openSftpStorage,
})
