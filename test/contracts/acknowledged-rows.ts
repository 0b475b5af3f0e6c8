import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../helpers/spawn.ts'
import { Workspace } from '../helpers/workspace.ts'

const BIN = join(import.meta.dirname, '../../bin/lifeboat.js')
const LOCK_KILLER = pathToFileURL(join(import.meta.dirname, '../helpers/kill-lock-holder.ts')).href
const PROGRAM = join(import.meta.dirname, '../helpers/habits-main.ts')

const OPERATIONS = [
  ['restore', 'app', '--yes'],
  ['restore', 'app', '--force'],
  ['undo', '--yes'],
  ['restore', 'app', '--force', '--no-delta'],
  ['restore', 'app', '--table', 'acked', '--yes'],
  ['undo', '--yes'],
  ['restore', 'app', '--strategy', 'merge', '--yes'],
] as const

let workspace: Workspace
let application: ChildProcess | undefined
/** Acknowledged rows that were found again: in what is there, kept beside, or in a safety recovery point. */
const found = new Set<string>()
const looked = new Set<string>()
/** What happened, for a failure. */
let history = ''

const log = (): string => workspace.path('acknowledged')

/** A workspace with a backup for each test; the application that writes to it is ended after. */
function useApplication(): void {
  beforeEach(async () => {
    workspace = new Workspace()
    const db = new DatabaseSync(workspace.database)
    db.exec(`CREATE TABLE acked (id TEXT PRIMARY KEY); CREATE TABLE filler (v);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO filler SELECT hex(randomblob(200)) FROM n`)
    db.close()
    writeFileSync(log(), '')
    await workspace.run('init', '--yes')
    await workspace.run('backup', 'app')
  })

  afterEach(() => {
    application?.kill('SIGKILL')
  })
}

/** A property of restores, undos and kills at random: what the application was told is written is somewhere to be found. */
export function describeAcknowledgedRows(rounds: number, seed: number): void {
  describe('restores, undos and kills at random', () => {
    useApplication()

    it(`loses no acknowledged row in ${rounds} restores, undos and kills`, {
      timeout: 60_000 + rounds * 60_000,
    }, async () => {
      const random = randomOf(seed)
      for (let round = 0; round < rounds; round++) {
        const mode = random() < 0.5 ? 'wal' : 'delete'
        // One that stays makes most restores refuse, and so does one that forgets: seldom.
        const kind = random()
        const connection = kind < 0.15 ? 'stays' : kind < 0.3 ? 'forgets' : 'opens'
        const habit = [connection, random() < 0.5 ? 'short' : 'long']
        const command = OPERATIONS[(round + seed) % OPERATIONS.length] ?? OPERATIONS[0]
        const killAfterMs = random() < 0.4 ? Math.round(random() * 1500) : undefined
        await startApplication([`r${round}`, mode, ...habit])
        await setTimeout(random() * 200)
        const outcome = await runAndKill(command, killAfterMs)
        await setTimeout(random() * 100)
        await stopApplication()
        const settled = await workspace.try('undo', '--settle')
        history += `${round}: ${mode} ${habit.join(' ')}; ${command.join(' ')}; ${outcome}; ${settled.stderr.trim()}\n`
        expect(settled.code, history).toBe(0)
        await lookEverywhere()
        const acknowledged = readFileSync(log(), 'utf8').split('\n').filter(Boolean)
        expect(
          acknowledged.filter(id => !found.has(id)),
          history,
        ).toEqual([])
      }
      expect(found.size).toBeGreaterThan(rounds)
    })
  })
}

export function describeKilledLockHolders(): void {
  describe('a lock holder that is killed', () => {
    useApplication()

    it.runIf(process.platform === 'linux').each(['delete', 'wal'])(
      'loses no row when the process that holds the lock is killed alone (%s)',
      async mode => {
        await startApplication([`killed-${mode}`, mode, 'opens', 'short'])
        const outcome = await runCommand(process.execPath, ['--import', LOCK_KILLER, BIN, 'restore', 'app', '--yes'], {
          cwd: workspace.dir,
          env: { KILL_BEFORE: 'app.db.before-', KILL_HOLDERS_OF: workspace.database },
        })
        await stopApplication()
        expect(outcome.stderr).toContain('killed a lock holder')
        expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('was killed while it was swapped')])
        await lookEverywhere()
        const acknowledged = readFileSync(log(), 'utf8').split('\n').filter(Boolean)
        expect(acknowledged.length).toBeGreaterThan(5)
        expect(acknowledged.filter(id => !found.has(id))).toEqual([])
      },
    )
  })
}

async function startApplication(args: readonly string[]): Promise<void> {
  application = fork(PROGRAM, [workspace.database, log(), ...args], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  await once(application, 'message')
}

async function stopApplication(): Promise<void> {
  if (application?.exitCode === null) {
    application.kill('SIGTERM')
    await once(application, 'exit')
  }
}

async function runAndKill(command: readonly string[], killAfterMs: number | undefined): Promise<string> {
  const running = workspace.start(...command)
  const killer = killAfterMs === undefined ? undefined : setTimeout(killAfterMs, 'kill')
  if (killer !== undefined && (await Promise.race([killer, running.result])) === 'kill') running.child.kill('SIGKILL')
  const { code, signal, stderr } = await running.result
  return `${signal ?? code} ${stderr.trim()}`
}

/** Rows are only added to what is known: recovery points stay, and what an application writes is looked for each round. */
async function lookEverywhere(): Promise<void> {
  for (const name of readdirSync(workspace.dir)) {
    const isDatabase = name.startsWith('app.db') && !/-(wal|shm|journal)$|\.lifeboat-/.test(name)
    if (isDatabase) readRows(name)
  }
  for (const { id } of await workspace.snapshots('app')) {
    if (looked.has(id)) continue
    looked.add(id)
    await workspace.run('restore', 'app', id, '--to', workspace.path('look.db'), '--no-checks')
    readRows('look.db')
    rmSync(workspace.path('look.db'))
  }
}

/** Of a copy, so that looking changes nothing. */
function readRows(name: string): void {
  const copy = workspace.path('copy-of-it')
  for (const end of ['-wal', '-journal', '']) {
    rmSync(copy + end, { force: true })
    if (existsSync(workspace.path(name + end))) copyFileSync(workspace.path(name + end), copy + end)
  }
  const db = new DatabaseSync(copy)
  expect(db.prepare('PRAGMA integrity_check').get(), `${name}\n${history}`).toEqual({ integrity_check: 'ok' })
  for (const row of db.prepare('SELECT id FROM acked').all()) found.add(String(row['id']))
  db.close()
}

/** @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
