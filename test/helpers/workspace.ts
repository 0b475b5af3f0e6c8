import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll } from 'vitest'
import { cheapenKeys } from './cheap-keys.ts'
import { commandOf, documentedOutput } from './json-output.ts'
import { Restic } from './restic.ts'
import { type CommandResult, lifeboat, type RunningCommand, runLifeboat, startLifeboat } from './spawn.ts'
import { makeTempDir } from './tempdir.ts'

export const PASSWORD = 'a password of the tests'

export interface SnapshotJson {
  readonly repository: string
  readonly id: string
  readonly shortId: string
  readonly source: string | null
  readonly kind: string | null
  readonly type: string | null
  readonly time: string
}

/**
 * A folder with a configuration of ours: the source `app`, a SQLite database, the source `docs`, a folder, and one
 * repository. Everything goes through the real commands.
 */
export class Workspace {
  readonly dir: string
  readonly database: string
  readonly docs: string
  readonly repository: string
  readonly restic: Restic

  /** Removed when the running test ends. @param isNew false for a folder that has its configuration */
  constructor(dir = makeTempDir(), isNew = true) {
    this.dir = dir
    this.database = join(dir, 'app.db')
    this.docs = join(dir, 'docs')
    this.repository = join(dir, 'backups')
    this.restic = new Restic(dir, this.repository, PASSWORD)
    if (!isNew) return
    this.setPassword(PASSWORD)
    writeFileSync(
      join(dir, 'lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\n' +
        'sources:\n  app: { kind: sqlite, path: ./app.db }\n  docs: { kind: files, path: ./docs }\n',
    )
  }

  /** The one that our commands use. */
  setPassword(password: string): void {
    writeFileSync(join(this.dir, 'password'), password, { mode: 0o600 })
  }

  /** Runs a command of ours; throws when it fails. Returns stdout. */
  async run(...args: readonly string[]): Promise<string> {
    const printed = await lifeboat(this.#args(args), { cwd: this.dir })
    if (args[0] === 'init') await cheapenKeys(this.repository, PASSWORD)
    return printed
  }

  async try(...args: readonly string[]): Promise<CommandResult> {
    const result = await runLifeboat(this.#args(args), { cwd: this.dir })
    if (args[0] === 'init') await cheapenKeys(this.repository, PASSWORD)
    return result
  }

  /** The same without our configuration. */
  async bare(...args: readonly string[]): Promise<CommandResult> {
    return runLifeboat(args, { cwd: this.dir })
  }

  start(...args: readonly string[]): RunningCommand {
    return startLifeboat(this.#args(args), { cwd: this.dir })
  }

  /** What it prints must be as documented. */
  async json<Answer>(...args: readonly string[]): Promise<Answer> {
    return documentedOutput(commandOf(args), await this.run(...args, '--json')) as Answer
  }

  /** Oldest first. */
  async snapshots(source?: string): Promise<SnapshotJson[]> {
    return this.json('snapshots', ...(source === undefined ? [] : [source]))
  }

  /** Backs one source up and returns the new snapshot's id. */
  async backup(source: string, ...args: readonly string[]): Promise<string> {
    await this.run('backup', source, ...args)
    const newest = (await this.snapshots(source)).at(-1)
    if (newest === undefined) throw new Error('the backup left no snapshot')
    return newest.id
  }

  /** All of it in another folder, as if it had been made there. */
  copy(dir = makeTempDir()): Workspace {
    cpSync(this.dir, dir, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
    return new Workspace(dir, false)
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts)
  }

  // ---- what is protected

  /** Makes the database: `notes`, filled with `rows` rows, in WAL mode. */
  makeDatabase(rows: number): void {
    this.change('PRAGMA journal_mode = WAL; CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)')
    this.addNotes(rows)
  }

  addNotes(rows: number): void {
    this.change(
      'INSERT INTO notes (text) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ' +
        `${rows}) SELECT 'note ' || i || ' ' || hex(randomblob(150)) FROM n`,
    )
  }

  change(sql: string): void {
    const db = new DatabaseSync(this.database)
    db.exec(sql)
    db.close()
  }

  /** Makes the folder: files of many sizes, an empty one, equal ones, a link, a deep folder. */
  makeDocs(): void {
    mkdirSync(join(this.docs, 'deep/er/est'), { recursive: true })
    for (const size of [0, 1, 4095, 70_000, 900_000]) {
      writeFileSync(join(this.docs, `file-${size}.bin`), pseudoRandom(size, size))
    }
    writeFileSync(join(this.docs, 'deep/er/est/equal.bin'), pseudoRandom(70_000, 70_000))
    writeFileSync(join(this.docs, 'deep/näme 名前.txt'), 'text\n'.repeat(20_000), { mode: 0o640 })
    symlinkSync('../file-1.bin', join(this.docs, 'deep/link'))
  }

  #args(args: readonly string[]): string[] {
    return [...args, '--config', join(this.dir, 'lifeboat.yaml')]
  }
}

/** One that is prepared once in a file, for tests that begin with a copy of it: commands cost far more than copies. */
export function prepareWorkspace(prepare: (workspace: Workspace) => Promise<void>): () => Workspace {
  let prepared: Workspace
  beforeAll(async () => {
    prepared = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-prepared-')))
    await prepare(prepared)
  })
  afterAll(() => rmSync(prepared.dir, { recursive: true, force: true }))
  return () => prepared.copy()
}

/** All rows of `notes`, for comparing. Waits for the lock of a killed command, whose processes end a moment after it. */
export function readNotes(path: string): unknown[] {
  const db = new DatabaseSync(path, { timeout: 10_000 })
  try {
    return db.prepare('SELECT id, text FROM notes ORDER BY id').all()
  } finally {
    db.close()
  }
}

/** Bytes that no compression shrinks, the same for the same seed. */
export function pseudoRandom(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
