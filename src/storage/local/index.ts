import { z } from 'zod'
import { NO_ACCESS_NEEDED } from '../../model/storage-access.ts'
import { defineStorage } from '../storage.ts'
import { rootOf } from './root.ts'

export const local = defineStorage({
  kind: 'local',
  summary: 'A folder of this machine',
  forms: ['./folder', '/folder', 'file:///folder'],
  // Anything with a scheme belongs to another adapter; a Windows drive letter is not one.
  matches: url => url.trim() !== '' && (/^file:/i.test(url) || !/^[a-z][a-z0-9+.-]+:/i.test(url)),
  options: z.strictObject({}),
  folderOf: rootOf,
  access: () => NO_ACCESS_NEEDED,
  load: async () => (await import('./local-storage.ts')).openLocalStorage,
})
