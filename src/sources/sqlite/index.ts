import { resolve } from 'node:path'
import { isSamePath } from '../../base/real-path.ts'
import { defineSource } from '../source.ts'
import { sqliteOptions } from './options.ts'

export const sqlite = defineSource({
  kind: 'sqlite',
  summary: 'A SQLite database file, captured as of one instant while the application goes on writing.',
  example: 'app: { kind: sqlite, path: ./data/app.db }',
  options: sqliteOptions,
  optionsAt: path => sqliteOptions.parse({ path }),
  ownPlace: ({ path }, { baseDir }) => resolve(baseDir, path),
  hasLog: false,
  isOwnPlace: (place, { path }, { baseDir }) => isSamePath(place, resolve(baseDir, path)),
  byRestic: 'the database file itself',
  answers: 'sql',
  discover: async around => (await import('./discover.ts')).discoverDatabases(around),
  load: async () => {
    const { SqliteSource } = await import('./sqlite-source.ts')
    return (name, options, place) => new SqliteSource(name, options, place)
  },
})
