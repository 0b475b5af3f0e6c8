import { resolve } from 'node:path'
import { isSamePath } from '../../base/real-path.ts'
import { defineSource } from '../source.ts'
import { filesOptions } from './options.ts'

export const files = defineSource({
  kind: 'files',
  summary: 'A folder (or a single file) with all its metadata.',
  example: 'docs: { kind: files, path: ./uploads }',
  options: filesOptions,
  optionsAt: path => filesOptions.parse({ path }),
  ownPlace: ({ path }, { baseDir }) => resolve(baseDir, path),
  hasLog: false,
  isOwnPlace: (place, { path }, { baseDir }) => isSamePath(place, resolve(baseDir, path)),
  byRestic: 'the files themselves',
  answers: 'files',
  takesForeign: true,
  discover: async around => (await import('./discover.ts')).discoverUploads(around),
  load: async () => (await import('./files-source.ts')).createFilesSource,
})
