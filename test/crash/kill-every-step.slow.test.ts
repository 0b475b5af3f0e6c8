import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { RestoreJournal } from '../../src/operations/restore/journal.ts'
import { type CommandResult, runCommand } from '../helpers/spawn.ts'
import { readNotes, Workspace } from '../helpers/workspace.ts'

const PRELOAD = pathToFileURL(join(import.meta.dirname, '../helpers/kill-at-step.ts')).href
const BIN = join(import.meta.dirname, '../../bin/lifeboat.js')
/** More than any of these commands has; a run that gets through ends the loop long before. */
const MANY = 60

/**
 * The real command, killed right before each of its changes of a name: at the target, in the journal, beside. After each
 * kill what is there is old or new, whole; "undo --settle" brings it to an end and says so.
 */
describe('killed at every step', () => {
  let base: string
  let workspace: Workspace
  let application: DatabaseSync

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'lifeboat-steps-'))
    mkdirSync(join(base, 'start'))
    workspace = new Workspace(join(base, 'start'))
    workspace.makeDatabase(30)
    workspace.makeDocs()
    await workspace.run('init', '--yes')
    await workspace.run('backup')
    // Open to the end, so that the copies have their newest rows in a log that nobody closed: the application was killed.
    application = new DatabaseSync(workspace.database)
    application.exec("PRAGMA wal_autocheckpoint = 0; INSERT INTO notes (text) SELECT 'new' FROM notes LIMIT 5")
    writeFileSync(join(workspace.docs, 'newer.txt'), 'newer')
    rmSync(join(workspace.docs, 'file-4095.bin'))
  })
  afterAll(() => {
    application.close()
    rmSync(base, { recursive: true, force: true })
  })

  /** A copy of the whole folder, for one kill. */
  async function copyOf(name: string): Promise<Workspace> {
    const dir = join(base, name)
    await cp(workspace.dir, dir, { recursive: true, verbatimSymlinks: true })
    return Object.assign(Object.create(Workspace.prototype) as Workspace, {
      dir,
      database: join(dir, 'app.db'),
      docs: join(dir, 'docs'),
    })
  }

  const run = (
    at: Workspace,
    args: readonly string[],
    killAt = 0,
    words: readonly string[] = [],
  ): Promise<CommandResult> =>
    runCommand(process.execPath, ['--import', PRELOAD, BIN, ...args], {
      cwd: at.dir,
      env: { KILL_AT: String(killAt), KILL_WORDS: words.join('\n') },
    })

  /** Does it for each place; `inspect` says which of the two states is there, and throws for anything else. */
  async function killEverywhere(
    name: string,
    prepare: (at: Workspace) => Promise<void>,
    args: readonly string[],
    words: readonly string[],
    inspect: (at: Workspace) => 'old' | 'new' | 'nothing',
  ): Promise<string[]> {
    const seen: string[] = []
    for (let killAt = 1; killAt < MANY; killAt++) {
      const at = await copyOf(`${name}-${killAt}`)
      await prepare(at)
      const killed = await run(at, args, killAt, words)
      if (killed.signal !== 'SIGKILL') {
        expect([killed.code, inspect(at)]).toEqual([0, 'new'])
        return seen
      }
      const between = inspect(at)
      const next = await run(at, ['undo', '--settle'])
      expect([next.code, next.stderr]).toEqual([0, expect.not.stringContaining('error')])
      const settled = inspect(at)
      expect(['old', 'new']).toContain(settled)
      // What was there at the kill, whole, is what is there after; what was missing for a moment is there again.
      if (between !== 'nothing') expect(settled).toBe(between)
      const journal = new RestoreJournal(join(at.dir, '.lifeboat'), systemClock)
      expect([await journal.listInterrupted(), await journal.listRunning()]).toEqual([[], []])
      seen.push(`${between} -> ${settled}`)
      rmSync(at.dir, { recursive: true, force: true })
    }
    throw new Error('it never got through')
  }

  /** Looked at as a copy: opening it would write its log into it. */
  function databaseState(at: Workspace): 'old' | 'new' | 'nothing' {
    const files = readdirSync(at.dir).filter(name => /^app\.db(-wal)?$/.test(name))
    if (!files.includes('app.db')) return 'nothing'
    const copy = mkdtempSync(join(base, 'look-'))
    for (const name of files) copyFileSync(join(at.dir, name), join(copy, name))
    const rows = readNotes(join(copy, 'app.db')).length
    const db = new DatabaseSync(join(copy, 'app.db'))
    const sound = db.prepare('PRAGMA integrity_check').get()
    db.close()
    rmSync(copy, { recursive: true })
    expect([sound, [30, 35]]).toEqual([{ integrity_check: 'ok' }, expect.arrayContaining([rows])])
    return rows === 35 ? 'old' : 'new'
  }

  function folderState(at: Workspace): 'old' | 'new' | 'nothing' {
    if (!readdirSync(at.dir).includes('docs')) return 'nothing'
    const names = readdirSync(at.docs).toSorted()
    expect(readFileSync(join(at.docs, 'deep/näme 名前.txt'), 'utf8')).toHaveLength(100_000)
    const isOld = names.includes('newer.txt')
    expect(names).toHaveLength(6)
    expect(names.includes('file-4095.bin')).toBe(!isOld)
    return isOld ? 'old' : 'new'
  }

  const AT_TARGET = ['app.db', '/docs', '/restores/']
  const nothing = async (): Promise<void> => {}

  it('replacing a database', async () => {
    const seen = await killEverywhere('replace', nothing, ['restore', 'app', '--yes'], AT_TARGET, databaseState)
    expect(new Set(seen)).toEqual(new Set(['old -> old', 'new -> new']))
    expect(seen.length).toBeGreaterThan(8)
  })

  it('undoing that', async () => {
    const restored = async (at: Workspace): Promise<void> => {
      await run(at, ['restore', 'app', '--yes'])
    }
    const turned = (at: Workspace): 'old' | 'new' | 'nothing' => {
      const state = databaseState(at)
      return state === 'old' ? 'new' : state === 'new' ? 'old' : state
    }
    const seen = await killEverywhere('undo', restored, ['undo', '--yes'], AT_TARGET, turned)
    expect(new Set(seen)).toEqual(new Set(['old -> old', 'new -> new']))
  })

  it('removing from a folder what the recovery point has not', async () => {
    const command = ['restore', 'docs', '--force', '--delete', '--yes']
    const clutter = async (at: Workspace): Promise<void> => {
      mkdirSync(join(at.docs, 'more/deep'), { recursive: true })
      for (const name of ['a', 'b', 'deep/c']) writeFileSync(join(at.docs, 'more', name), name)
    }
    const deletedState = (at: Workspace): 'old' | 'new' | 'nothing' => {
      const names = readdirSync(at.docs, { recursive: true, encoding: 'utf8' })
      const surplus = names.filter(name => name === 'newer.txt' || name.startsWith('more')).length
      // Between the first removal and the last, or while the missing file comes: half of it, and marked.
      if (names.includes('.lifeboat-restore')) return 'nothing'
      expect([0, 6]).toContain(surplus)
      // A file of which nobody can tell whether the restore alone made it stays, and is named.
      if (surplus === 0) expect(names).toContain('file-4095.bin')
      return surplus === 0 ? 'new' : 'old'
    }
    const seen = await killEverywhere('delete', clutter, command, ['/docs', '/restores/'], deletedState)
    expect(new Set(seen)).toEqual(new Set(['old -> old', 'nothing -> old', 'new -> new']))
    expect(seen.filter(each => each === 'nothing -> old').length).toBeGreaterThan(5)
  })

  it('replacing a folder', async () => {
    const seen = await killEverywhere('folder', nothing, ['restore', 'docs', '--yes'], AT_TARGET, folderState)
    expect(new Set(seen)).toEqual(new Set(['old -> old', 'new -> new', 'nothing -> old']))
  })
})
