import { defineStorage } from '../storage.ts'

export const memory = defineStorage({
  kind: 'memory',
  summary: 'The memory of this process: for tests, gone when it ends',
  forms: ['memory:NAME'],
  matches: url => url.startsWith('memory:'),
  load: async () => (await import('./memory-storage.ts')).openMemoryStorage,
})
