import { defineSource } from '../source.ts'
import { filesOptions } from './options.ts'

export const files = defineSource({
  kind: 'files',
  summary: 'A folder (or a single file) with all its metadata.',
  options: filesOptions,
  optionsAt: path => filesOptions.parse({ path }),
  answers: 'files',
  load: async () => (await import('./files-source.ts')).createFilesSource,
})
