import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { filesHolding, maskOf } from '../helpers/masks.ts'

/** Kills the process that restores after each of these times. */
const KILL_AFTER_MS = [0, 100, 200, 350, 600]
const PLANTED = ['ada.lovelace@example.org', 'Privatweg 7']
const MASK = { people: { email: 'email', street: 'text' } } as const
const STAGING = `/dev/shm/lifeboat-${process.getuid?.() ?? 0}`

describe('a masked restore that is killed', () => {
  let dir = ''
  let out = ''
  let snapshot: DrainedSnapshot
  let child: ChildProcess | undefined

  beforeEach(async () => {
    dir = await makeTempDir()
    out = join(dir, 'out')
    const db = new DatabaseSync(join(dir, 'app.db'))
    db.exec(`PRAGMA journal_mode = WAL; CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, street TEXT);
      CREATE INDEX i ON people (email);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO people SELECT i, 'ada.lovelace@example.org' || i, 'Privatweg 7 ' || hex(randomblob(200)) FROM n`)
    db.close()
    snapshot = await drain(source(), dir)
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify(snapshot.manifest))
  })

  afterEach(async () => {
    child?.kill('SIGKILL')
    await removeDir(dir)
  })

  const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

  async function killed(target: string, afterMs: number): Promise<number> {
    const program = join(import.meta.dirname, '../helpers/restore-main.ts')
    const args = [dir, snapshot.entries[0]?.file ?? '', target, 'true', JSON.stringify(MASK)]
    child = fork(program, args, { execArgv: ['--disable-warning=ExperimentalWarning'] })
    const exited = once(child, 'exit')
    await Promise.race([once(child, 'message'), exited])
    await Promise.race([new Promise(resolve => setTimeout(resolve, afterMs)), exited])
    child.kill('SIGKILL')
    await exited
    return child.pid ?? 0
  }

  it('leaves nothing unmasked at the target, and its staging to the next one', async () => {
    expect(filesHolding(dir, PLANTED)).not.toEqual([])
    for (const ms of KILL_AFTER_MS) {
      await removeDir(out)
      mkdirSync(out)
      const target = join(out, 'copy.db')
      writeFileSync(target, 'old')
      const pid = await killed(target, ms)
      expect(filesHolding(out, PLANTED), `killed after ${ms} ms`).toEqual([])
      const old = readFileSync(target).equals(Buffer.from('old'))
      if (!old) expect(readFileSync(target).subarray(0, 15).toString()).toBe('SQLite format 3')
      await source().restore({
        ...(await makeContext(dir)),
        snapshot: snapshot.reader,
        target,
        force: true,
        delta: true,
        checks: true,
        include: [],
        mask: maskOf(MASK),
      })
      expect(readdirSync(out)).toEqual(['copy.db'])
      expect(filesHolding(out, PLANTED)).toEqual([])
      const staged = existsSync(STAGING) ? readdirSync(STAGING) : []
      expect(staged.filter(name => name.startsWith(`${pid}-`))).toEqual([])
    }
  })
})
