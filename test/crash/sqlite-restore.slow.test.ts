import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStandIn } from '../../src/sources/sqlite/seal.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'

/** Kills the process that restores after each of these times, then restores again in this one. */
const KILL_AFTER_MS = [0, 30, 80, 150, 250, 400]

describe('a restore that is killed', () => {
  let dir = ''
  let out = ''
  let snapshot: DrainedSnapshot
  let child: ChildProcess | undefined

  beforeEach(async () => {
    dir = await makeTempDir()
    out = join(dir, 'out')
    mkdirSync(out)
    const db = new DatabaseSync(join(dir, 'app.db'))
    db.exec(`PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
      INSERT INTO t SELECT i, hex(randomblob(200)) FROM n`)
    db.close()
    snapshot = await drain(source(), dir)
  })

  afterEach(async () => {
    child?.kill('SIGKILL')
    await removeDir(dir)
  })

  const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })
  const stored = (): string => snapshot.entries[0]?.file ?? ''

  async function restoreElsewhere(target: string, force: boolean, killAfterMs: number): Promise<void> {
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify(snapshot.manifest))
    const program = join(import.meta.dirname, '../helpers/restore-main.ts')
    child = fork(program, [dir, stored(), target, String(force)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const exited = once(child, 'exit')
    await Promise.race([once(child, 'message'), exited])
    await Promise.race([new Promise(resolve => setTimeout(resolve, killAfterMs)), exited])
    child.kill('SIGKILL')
    await exited
  }

  async function restoreHere(target: string): Promise<void> {
    await source().restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      force: existsSync(target),
      delta: true,
      checks: true,
      include: [],
    })
  }

  for (const existing of [false, true]) {
    it(`is completed by the next one, ${existing ? 'in place' : 'beside'}`, async () => {
      const target = join(out, 'restored.db')
      for (const ms of KILL_AFTER_MS) {
        await removeDir(out)
        mkdirSync(out)
        const old = Buffer.concat([readFileSync(stored()).subarray(0, 5_000_000), Buffer.alloc(3_000_000)])
        if (existing) writeFileSync(target, old)
        await restoreElsewhere(target, existing, ms)
        // Until then the target is the old one or the new one, or a stand-in that no program can open.
        const now = existsSync(target) ? readFileSync(target) : undefined
        const whole = now === undefined ? !existing : now.equals(old) || now.equals(readFileSync(stored()))
        expect(whole || (await isStandIn(target)), `killed after ${ms} ms`).toBe(true)
        await restoreHere(target)
        expect(readFileSync(target).equals(readFileSync(stored()))).toBe(true)
        expect(readdirSync(out)).toEqual(['restored.db'])
      }
    })
  }
})
