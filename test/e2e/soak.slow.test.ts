import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createLedger, verifyLedger } from '../helpers/ledger.ts'
import { Workspace } from '../helpers/workspace.ts'

const WRITER = resolve(import.meta.dirname, '../helpers/ledger-process.ts')

describe('backups of a database that is written to at full speed', () => {
  it.each([
    ['wal', 8],
    ['delete', 3],
  ] as const)('in journal mode %s: each snapshot is one moment, whole', async (journalMode, rounds) => {
    const workspace = new Workspace()
    createLedger(workspace.database, journalMode)
    await workspace.run('init', '--yes')
    const writer = new Writer(workspace.database)
    const taken: Array<{ id: string; atLeast: number; atMost: number }> = []
    for (let round = 0; round < rounds; round++) {
      const atLeast = await writer.progress()
      const type = ['incremental', 'full', 'differential'][round % 3] ?? 'full'
      const id = await workspace.backup('app', '--type', type)
      // What is under way when it is asked is not told yet.
      await writer.progress()
      taken.push({ id, atLeast, atMost: await writer.progress() })
    }
    await writer.stop()
    const last = verifyLedger(workspace.database)
    expect(new Set(taken.map(one => one.id)).size).toBe(rounds)
    let before = 0
    for (const { id, atLeast, atMost } of taken) {
      const target = workspace.path(`${id}.db`)
      await workspace.run('restore', 'app', id, '--to', target)
      const held = verifyLedger(target)
      expect(held).toBeGreaterThanOrEqual(Math.max(atLeast, before))
      expect(held).toBeLessThanOrEqual(Math.min(atMost, last))
      before = held
    }
    expect(await workspace.json('check', '--read-data')).toMatchObject({ whole: true })
  })

  it('would be caught as torn when the file is just copied', () => {
    // The judge itself on trial: a page of an old state in the middle of a new one must not pass.
    const workspace = new Workspace()
    createLedger(workspace.database, 'delete')
    const sound = verifyLedger(workspace.database)
    expect(sound).toBe(0)
    workspace.change('UPDATE accounts SET balance = balance + 1 WHERE id = 7')
    expect(() => verifyLedger(workspace.database)).toThrow('account 7 has 1001, not 1000')
    writeFileSync(workspace.database, Buffer.alloc(statSync(workspace.database).size))
    expect(() => verifyLedger(workspace.database)).toThrow('not a database')
  })
})

/** The application: a process of its own. */
class Writer {
  readonly #child: ChildProcess

  constructor(path: string) {
    this.#child = fork(WRITER, [path], { execArgv: ['--disable-warning=ExperimentalWarning'] })
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  /** Waits for the next word of how many transactions are committed. Fails when the writer ended: nothing may stop it. */
  async progress(): Promise<number> {
    const ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`the writer ended with ${code}`)
    })
    const told = once(this.#child, 'message').then(([message]) => (message as { n: number }).n)
    return Promise.race([told, ended])
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    const [code] = await ended
    if (code !== 0) throw new Error(`the writer ended with ${code}`)
  }
}
