import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeRepository, writeOut } from './snapshots-race.ts'

/** Something that there may be few or many of. */
export interface Counted {
  readonly base: number
  /** Makes so many in the folder; gives the configuration without its repositories. */
  prepare(dir: string, count: number): string | Promise<string>
  /** `prepare` makes the repository too. */
  readonly ownRepository?: boolean
  /** In this order, each on what the one before left. */
  readonly works: ReadonlyArray<{ readonly name: string; readonly args: readonly string[] }>
}

const FOLDER = 'sources: { data: { kind: files, path: ./data } }\n'
const DATABASE = 'sources: { data: { kind: sqlite, path: ./app.db } }\n'

const LIFE = [
  { name: 'first backup', args: ['backup'] },
  { name: 'second backup', args: ['backup'] },
  { name: 'full backup', args: ['backup', '--type', 'full'] },
  { name: 'list', args: ['ls', 'data', '--recursive', '--quiet'] },
  { name: 'restore', args: ['restore', 'data', '--to', './restored'] },
  { name: 'restore over it', args: ['restore', 'data', '--to', './restored', '--force'] },
]
const DATABASE_LIFE = [
  ...LIFE,
  { name: 'merge', args: ['restore', 'data', '--to', './restored', '--strategy', 'merge', '--yes'] },
  { name: 'verify', args: ['verify', 'data'] },
]
const UPKEEP = [
  { name: 'snapshots', args: ['snapshots'] },
  { name: 'find', args: ['find', 'nothing*'] },
  { name: 'stats', args: ['stats'] },
  { name: 'check', args: ['check'] },
  { name: 'forget', args: ['forget', '--keep-daily', '7', '--keep-last', '10', '--dry-run'] },
  { name: 'prune', args: ['prune', '--dry-run'] },
  { name: 'backup', args: ['backup'] },
]

export const COUNTED: Readonly<Record<string, Counted>> = {
  files: {
    base: 4000,
    prepare: (dir, count) => {
      for (let file = 0; file < count; file++) {
        const folder = join(dir, 'data', String(Math.floor(file / 100)))
        if (file % 100 === 0) mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, `file-${file}`), `content of ${file}`)
      }
      return FOLDER
    },
    works: LIFE,
  },
  'files of one folder': {
    base: 4000,
    prepare: (dir, count) => {
      mkdirSync(join(dir, 'data'))
      for (let file = 0; file < count; file++) writeFileSync(join(dir, 'data', `file-${file}`), `content of ${file}`)
      return FOLDER
    },
    works: LIFE,
  },
  depth: {
    base: 200,
    prepare: (dir, count) => {
      for (let level = 0, folder = join(dir, 'data'); level < count; level++, folder = join(folder, 'd')) {
        mkdirSync(folder)
        writeFileSync(join(folder, 'file'), `level ${level}`)
      }
      return FOLDER
    },
    works: LIFE,
  },
  'files deep down': {
    base: 1000,
    prepare: (dir, count) => {
      const folder = join(dir, 'data', ...Array.from({ length: 40 }, () => 'd'))
      mkdirSync(folder, { recursive: true })
      for (let file = 0; file < count; file++) writeFileSync(join(folder, `file-${file}`), `content of ${file}`)
      return FOLDER
    },
    works: LIFE,
  },
  tables: {
    base: 500,
    prepare: (dir, count) => {
      makeDatabase(join(dir, 'app.db'), database => {
        for (let table = 0; table < count; table++) {
          database.exec(`CREATE TABLE t${table} (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t${table} (name) VALUES
            ('a'), ('b'), ('c'), ('d'), ('e')`)
        }
      })
      return DATABASE
    },
    works: DATABASE_LIFE,
  },
  columns: {
    base: 400,
    prepare: (dir, count) => {
      const columns = Array.from({ length: count }, (_, column) => `c${column}`)
      makeDatabase(join(dir, 'app.db'), database => {
        database.exec(`CREATE TABLE wide (id INTEGER PRIMARY KEY, ${columns.join(', ')})`)
        const insert = database.prepare(`INSERT INTO wide VALUES (?${', 7'.repeat(count)})`)
        for (let row = 0; row < 50; row++) insert.run(row)
      })
      return DATABASE
    },
    works: DATABASE_LIFE,
  },
  rows: {
    base: 100_000,
    prepare: (dir, count) => {
      makeDatabase(join(dir, 'app.db'), database => {
        database.exec('CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, mail TEXT UNIQUE)')
        const insert = database.prepare('INSERT INTO people VALUES (?, ?, ?)')
        for (let row = 0; row < count; row++) insert.run(row, `name ${row}`, `${row}@example.org`)
      })
      return DATABASE
    },
    works: DATABASE_LIFE,
  },
  snapshots: {
    base: 1000,
    ownRepository: true,
    prepare: async (dir, count) => {
      mkdirSync(join(dir, 'data'))
      await writeOut(await makeRepository(count), join(dir, 'repository'))
      return FOLDER
    },
    works: UPKEEP,
  },
  packs: {
    base: 1000,
    ownRepository: true,
    // Each writing makes a pack of its own where its tree is new.
    prepare: async (dir, count) => {
      mkdirSync(join(dir, 'data'))
      await writeOut(await makeRepository(count, { newTrees: true }), join(dir, 'repository'))
      return FOLDER
    },
    works: UPKEEP,
  },
  sources: {
    base: 20,
    prepare: (dir, count) => {
      const names = Array.from({ length: count }, (_, source) => `s${source}`)
      for (const name of names) {
        mkdirSync(join(dir, name))
        writeFileSync(join(dir, name, 'file'), name)
      }
      return `sources:\n${names.map(name => `  ${name}: { kind: files, path: ./${name} }\n`).join('')}`
    },
    works: [
      { name: 'first backup', args: ['backup'] },
      { name: 'second backup', args: ['backup'] },
      { name: 'snapshots', args: ['snapshots'] },
      { name: 'probe', args: ['probe'] },
      { name: 'forget', args: ['forget', '--keep-last', '1'] },
      { name: 'verify', args: ['verify', '--level', 'checked'] },
    ],
  },
}

function makeDatabase(path: string, fill: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous = off; BEGIN')
  fill(database)
  database.exec('COMMIT')
  database.close()
}
