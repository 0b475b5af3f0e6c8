import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { filesHolding, maskOf } from '../helpers/masks.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, restoreTo, sourceOf } from '../helpers/postgres-samples.ts'

const PLANTED = ['ada.lovelace@example.org', 'Privatweg 7']
const MASK = { people: { email: 'email', street: { kind: 'sql', expression: "'street ' || length(street)" } } } as const
/** Kills the process that restores after each of these times. */
const KILL_AFTER_MS = [200, 700, 1200, 1800]

describeWithPostgres('a masked load that is killed', () => {
  let test: TestCluster
  let other: TestCluster
  let dir = ''

  beforeAll(async () => {
    ;[test, other] = [await startTestCluster(), await startTestCluster()]
    await test.createDatabase('shop')
    await test.query(
      'shop',
      `CREATE TABLE people AS SELECT i AS id, 'ada.lovelace@example.org' || i AS email, 'Privatweg 7 ' || md5(i::text) AS street
       FROM generate_series(1, 40000) AS i`,
    )
  })
  afterAll(async () => {
    await Promise.all([test.close(), other.close()])
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-kill-mask-')
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  it('leaves nothing unmasked on the disk of the server, and the next one goes through', async () => {
    const snapshot = await drain(sourceOf(test.url('shop')), dir)
    const files = snapshot.entries.flatMap(({ path, file }) => (file === undefined ? [] : [{ path, file }]))
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify(snapshot.manifest))
    writeFileSync(join(dir, 'files.json'), JSON.stringify(files))
    expect(filesHolding(dir, PLANTED)).not.toEqual([])
    const before = await databasesOf(other)
    let interrupted = 0
    for (const ms of KILL_AFTER_MS) {
      const program = join(import.meta.dirname, '../helpers/masked-load-main.ts')
      const child = fork(program, [dir, other.url('copy'), JSON.stringify(MASK)])
      const exited = once(child, 'exit')
      await Promise.race([once(child, 'message'), exited])
      await Promise.race([new Promise(resolve => setTimeout(resolve, ms)), exited])
      if (child.exitCode === null) interrupted++
      child.kill('SIGKILL')
      await exited
      await other.query('postgres', 'CHECKPOINT')
      expect(filesHolding(other.cluster.dataDir, PLANTED), `killed after ${ms} ms`).toEqual([])
    }
    expect(interrupted).toBeGreaterThan(1)
    const outcome = await restoreTo(dir, snapshot, other.url('copy'), { mask: maskOf(MASK), force: true })
    expect(outcome.checks).toMatchObject([{ passed: true }])
    expect(filesHolding(other.cluster.dataDir, PLANTED)).toEqual([])
    const made = (await databasesOf(other)).filter(name => !before.includes(name))
    expect(made).toContain('copy')
    // What a killed one was filling is gone.
    expect(made.filter(name => name.includes('_lifeboat_'))).toEqual([])
  })
})
