import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { merge } from '../../src/operations/merge/merge.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'

/** After the transaction has begun. */
const KILL_AFTER_MS = [0, 60, 150, 300, 600]
const ROWS = 60_000

describe('a merge that is killed', () => {
  let dir = ''
  let snapshot: DrainedSnapshot
  let child: ChildProcess | undefined

  beforeEach(async () => {
    dir = await makeTempDir()
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    await removeDir(dir)
  })

  const open = (): DatabaseSync =>
    new DatabaseSync(join(dir, 'app.db'), { timeout: 10_000, enableForeignKeyConstraints: false })
  const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

  /** What an application finds that opens the database afterwards. */
  function look(): unknown {
    const db = open()
    const found = {
      whole: db.prepare('PRAGMA integrity_check').all(),
      lost: db.prepare('PRAGMA foreign_key_check').all(),
      rows: db.prepare('SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b').all(),
      triggers: db.prepare(`SELECT sql FROM sqlite_schema WHERE type = 'trigger'`).all(),
    }
    db.close()
    return found
  }

  async function killedMerge(afterMs: number): Promise<void> {
    const program = join(import.meta.dirname, '../helpers/merge-main.ts')
    const stored = snapshot.entries[0]?.file ?? ''
    child = fork(program, [dir, stored], { execArgv: ['--disable-warning=ExperimentalWarning'] })
    const exited = once(child, 'exit')
    await Promise.race([once(child, 'message'), exited])
    await Promise.race([wait(afterMs), exited])
    child.kill('SIGKILL')
    await exited
  }

  for (const mode of ['wal', 'delete']) {
    it(`leaves all as it was, or all merged (${mode})`, async () => {
      const db = open()
      db.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a (id), v TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
        INSERT INTO a SELECT i, hex(randomblob(40)) FROM n; INSERT INTO b SELECT id, id, v FROM a;
        CREATE TRIGGER tr AFTER INSERT ON b BEGIN SELECT raise(ABORT, 'fired'); END`)
      snapshot = await drain(source(), dir)
      writeFileSync(join(dir, 'manifest.json'), JSON.stringify(snapshot.manifest))
      const whole = look()
      db.exec('DELETE FROM b WHERE id % 2 = 0; DELETE FROM a WHERE id % 2 = 0')
      db.close()
      const before = look()
      let asBefore = 0
      for (const afterMs of KILL_AFTER_MS) {
        await killedMerge(afterMs)
        const now = look()
        expect([before, whole]).toContainEqual(now)
        if (JSON.stringify(now) === JSON.stringify(before)) asBefore++
        else break
      }
      expect(asBefore).toBeGreaterThan(0)
      const rules = { tables: {}, references: {}, triggers: false }
      await merge({ ...(await makeContext(dir)), source: source(), snapshot: snapshot.reader, rules, dryRun: false })
      expect(look()).toEqual(whole)
    })
  }
})
