import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { runTool, startServer, withSession } from '../../src/clients/postgres/index.ts'
import { readArchive } from '../../src/operations/logs/archive.ts'
import type { LogStore } from '../../src/repository/index.ts'
import { walFormat } from '../../src/sources/postgres/physical/log/log-format.ts'
import { formatLsn, segmentOf } from '../../src/sources/postgres/physical/log/wal.ts'
import { type LogMark, LogMarkReader } from '../../src/sources/postgres/physical/log/wal-records.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import type { RecoveryRequest, StartedServer } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { openTestLogStore, testLog } from '../helpers/wal-command.ts'

const run = promisify(execFile)
const COMMAND = join(import.meta.dirname, '..', 'helpers', 'wal-command.ts')

interface Commit {
  readonly n: number
  readonly xid: string
  readonly lsn: string
  readonly at: Date
}

describeWithPostgres('recovery of a cluster to a moment', () => {
  let test: TestCluster
  let source: PhysicalSource
  let archive = ''
  let store: LogStore
  let dir = ''
  let snapshot: DrainedSnapshot
  let settings: string[] = []
  const commits: Commit[] = []

  /** One row a transaction, so that the rows of a copy say exactly which transactions it has. */
  const write = async (count: number): Promise<void> =>
    await withSession(test.admin, {}, async session => {
      for (let i = 0; i < count; i++) {
        const n = commits.length + 1
        await session.query('BEGIN')
        await session.query('INSERT INTO public.t VALUES ($1, $2)', [n, randomBytes(500).toString('hex')])
        const [row] = await session.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid')
        await session.query('COMMIT')
        const [after] = await session.query<{ lsn: string; at: string }>(
          'SELECT pg_current_wal_insert_lsn()::text AS lsn, (extract(epoch FROM clock_timestamp()) * 1000)::text AS at',
        )
        commits.push({ n, xid: row?.xid ?? '', lsn: after?.lsn ?? '', at: new Date(Math.ceil(Number(after?.at))) })
      }
    })

  const archived = async (): Promise<void> => {
    const [row] = await test.query<{ name: string }>('postgres', 'SELECT pg_walfile_name(pg_switch_wal()) AS name')
    const [{ systemIdentifier } = { systemIdentifier: '' }] = await test.query<{ systemIdentifier: string }>(
      'postgres',
      'SELECT system_identifier::text AS "systemIdentifier" FROM pg_control_system()',
    )
    await vi.waitFor(
      async () => {
        if (
          (await store.findHeader(testLog(systemIdentifier), { name: row?.name ?? '', unfinished: false })) ===
          undefined
        )
          throw new Error('not archived')
      },
      { timeout: 60_000, interval: 100 },
    )
  }

  beforeAll(async () => {
    archive = await makeTempDir('lb-arc-')
    await writeFile(join(archive, 'wal-key'), randomBytes(64), { mode: 0o644 })
    const command = `${process.execPath} ${COMMAND} push ${archive} %p`
    settings = [
      'full_page_writes=on',
      'archive_mode=on',
      `archive_command=${command}`,
      'max_connections=40',
      'max_prepared_transactions=5',
    ]
    test = await startTestCluster({ initArgs: ['--auth=trust', '--data-checksums', '--wal-segsize=1'], settings })
    const { uid, gid } = await stat(test.cluster.dataDir)
    for (const folder of [archive, join(archive, 'spool'), join(archive, 'archive')]) {
      await mkdir(folder, { recursive: true })
      await run('chown', [`${uid}:${gid}`, folder])
    }
    store = openTestLogStore(archive)
    source = new PhysicalSource('shop', { connection: async () => test.admin })
    await test.query('postgres', 'CREATE TABLE t (n int PRIMARY KEY, v text)')
    await write(20)
    dir = await makeTempDir('lb-rec-')
    const writing = write(300)
    snapshot = await drain(source, dir)
    await writing
    await write(300)
    await archived()
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
    await removeDir(archive)
  })

  let copies = ''
  const running: string[] = []
  beforeEach(async () => {
    copies = await makeTempDir('lb-cp-')
    await run('chmod', ['755', copies])
  })
  afterEach(async () => {
    for (const target of running.splice(0)) {
      const { uid, gid } = await stat(target)
      const args = ['-D', target, '-m', 'immediate', 'stop']
      const owner = uid === 0 ? {} : { uid, gid }
      await runTool(test.tools, { tool: 'pg_ctl', args, settings: undefined, cwd: '/', ...owner }, 'stop the copy')
    }
    await removeDir(copies)
  })

  /** Restores, recovers and starts a copy, and says which rows it has. */
  const recover = async (
    recovery: RecoveryRequest | undefined,
  ): Promise<{ started: StartedServer | undefined; rows: number; last: number }> => {
    const target = join(copies, `copy-${running.length}`)
    const outcome = await source.restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      force: false,
      delta: false,
      own: { start: true },
      recovery: recovery && {
        log: { fetchCommand: [process.execPath, COMMAND, 'fetch', archive] },
        ...recovery,
      },
    })
    running.push(target)
    const settings = { ...test.admin, host: outcome.started?.socketDir ?? '', port: outcome.started?.port ?? 0 }
    const [row] = await withSession(settings, {}, async s =>
      s.query<{ rows: number; last: number }>('SELECT count(*)::int AS rows, max(n)::int AS last FROM public.t'),
    )
    return { started: outcome.started, rows: row?.rows ?? 0, last: row?.last ?? 0 }
  }
  const after = (xid: string): Commit[] => commits.filter(commit => BigInt(commit.xid) >= BigInt(xid))
  const pick = (from: readonly Commit[]): Commit => {
    const commit = from[Math.floor(Math.random() * from.length)]
    if (commit === undefined) throw new Error('nothing was written after the backup')
    return commit
  }
  const nextXid = (): string => String(snapshot.manifest.database?.properties['nextXid'])

  it('finds restore points and ends of transactions in the log, as pg_waldump does', async () => {
    const name = 'a name that is as long as it can be, so that its record is cut'
    await withSession(test.admin, {}, async session => {
      for (let i = 0; i < 200; i++) await session.query('SELECT pg_create_restore_point($1)', [`${name}${i % 10}`])
      await session.query(
        'BEGIN; SAVEPOINT a; CREATE TABLE public.gone AS SELECT 1; SAVEPOINT b; DROP TABLE public.gone',
      )
      await session.query("PREPARE TRANSACTION 'two'")
      await session.query("COMMIT PREPARED 'two'")
      await session.query('BEGIN; CREATE TABLE public.gone AS SELECT 1')
      await session.query("PREPARE TRANSACTION 'three'")
      await session.query("ROLLBACK PREPARED 'three'")
    })
    await archived()
    const folder = join(test.cluster.dataDir, 'pg_wal')
    const names = (await readdir(folder)).filter(each => /^[0-9A-F]{24}$/.test(each)).toSorted()
    const reader = new LogMarkReader()
    const marks: LogMark[] = []
    const complete: string[] = []
    for (const each of names) {
      const bytes = await readFile(join(folder, each))
      const start = segmentOf(each, bytes.length).number * BigInt(bytes.length)
      // One that will be used again is not written yet.
      if (bytes.readBigUInt64LE(8) !== start) break
      complete.push(each)
      marks.push(...reader.push(bytes, start))
    }
    const args = ['-p', folder, complete[0] ?? '', complete.at(-1) ?? '']
    const dump = await run(join(test.tools.binDir, 'pg_waldump'), args, { maxBuffer: 1 << 28 }).catch(
      (error: { stdout: string }) => error,
    )
    const expected = dump.stdout.split('\n').flatMap(line => {
      const [, xid = '', lsn = '', what = ''] =
        /tx: +(\d+), lsn: (\S+), prev \S+, desc: (RESTORE_POINT|COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED) /.exec(
          line,
        ) ?? []
      if (what === 'RESTORE_POINT') return [`${lsn} ${/RESTORE_POINT (.*)$/.exec(line)?.[1]}`]
      return what === '' ? [] : [`${lsn} ${/_PREPARED (\d+)/.exec(line)?.[1] ?? xid}`]
    })
    const padded = (lsn: bigint): string =>
      formatLsn(lsn).replace(/\/(.*)$/, (_, low: string) => `/${low.padStart(8, '0')}`)
    expect(expected.length).toBeGreaterThan(600)
    expect(marks.map(mark => `${padded(mark.lsn)} ${mark.kind === 'transaction' ? mark.xid : mark.name}`)).toEqual(
      expected,
    )
    const apart = Math.abs((marks.at(-1)?.at.getTime() ?? 0) - Date.now())
    expect(apart).toBeLessThan(60_000)
  })

  it('holds exactly what was committed by a transaction, for random ones', async () => {
    for (let round = 0; round < 3; round++) {
      const { n, xid } = pick(after(nextXid()))
      const { rows, last, started } = await recover({ target: { kind: 'transaction', transaction: xid } })
      expect({ rows, last }, `transaction ${xid}`).toEqual({ rows: n, last: n })
      expect(started?.timeline).toBe(2)
    }
  })

  it('stops before a transaction when told so', async () => {
    const { n, xid } = pick(after(nextXid()))
    expect(await recover({ target: { kind: 'transaction', transaction: xid }, inclusive: false })).toMatchObject({
      rows: n - 1,
    })
  })

  it('goes to a position, a time, and says what it reached', async () => {
    const { n, lsn } = pick(after(nextXid()))
    const byLsn = await recover({ target: { kind: 'position', position: lsn } })
    expect(byLsn.rows).toBeGreaterThanOrEqual(n)
    expect(byLsn.rows).toBeLessThanOrEqual(n + 1)
    const chosen = pick(after(nextXid()))
    const byTime = await recover({ target: { kind: 'time', epochMicros: chosen.at.getTime() * 1000 } })
    const by = commits.filter(commit => commit.at <= chosen.at).length
    expect(byTime.rows).toBeGreaterThanOrEqual(by - 1)
    expect(byTime.rows).toBeLessThanOrEqual(by + 2)
    expect(byTime.started?.lastCommitAt?.getTime()).toBeLessThanOrEqual(chosen.at.getTime())
  })

  it('goes to the end of the log, and to a time after it', async () => {
    expect(await recover({ target: { kind: 'end' } })).toMatchObject({ rows: commits.length })
    const late = new Date(Date.now() + 1000)
    expect(await recover({ target: { kind: 'time', epochMicros: late.getTime() * 1000 } })).toMatchObject({
      rows: commits.length,
    })
  })

  it('goes to a named restore point, and no further than the backup when told so', async () => {
    await test.query('postgres', "SELECT pg_create_restore_point('before the upgrade')")
    const at = commits.length
    await write(5)
    await archived()
    expect(await recover({ target: { kind: 'name', name: 'before the upgrade' } })).toMatchObject({ rows: at })
    const { rows } = await recover({ target: { kind: 'immediate' } })
    expect(rows).toBeLessThan(commits.length)
    // The snapshot alone, without any archive.
    expect((await recover(undefined)).rows).toBeGreaterThanOrEqual(rows)
  })

  it('says when a target is never reached', async () => {
    const error = await recover({ target: { kind: 'transaction', transaction: '4000000' } }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'verification-failed' })
  })

  it('follows a new timeline, and can go along the old one', async () => {
    const before = commits.length
    await archived()
    await test.cluster.server.stop('fast')
    const { dataDir, user } = test.cluster
    await writeFile(join(dataDir, 'recovery.signal'), '')
    const promoted = await startServer({
      tools: test.tools,
      dataDir,
      user,
      socketDir: test.admin.host,
      port: test.admin.port,
      settings: [...settings, 'restore_command=false'],
    })
    try {
      await vi.waitFor(
        async () => {
          const [row] = await test.query<{ done: boolean }>('postgres', 'SELECT NOT pg_is_in_recovery() AS done')
          if (row?.done !== true) throw new Error('not promoted')
        },
        { timeout: 60_000, interval: 100 },
      )
      await write(7)
      await archived()
      const newest = await recover({ target: { kind: 'end' } })
      expect(newest.rows).toBe(before + 7)
      expect(newest.started?.timeline).toBe(3)
      expect((await recover({ target: { kind: 'end' }, branch: '1' })).rows).toBe(before)
      const base = walFormat.findBase(snapshot.manifest)
      const { signal } = new AbortController()
      const { coverage } = await readArchive(store, testLog(base?.log ?? ''), walFormat, signal)
      const windows = coverage.listWindows(base ? [{ ...base, snapshot: 'a' }] : [])
      expect(windows.map(window => window.branch)).toContain(2)
      expect(coverage.gaps).toEqual([])
    } finally {
      await promoted.stop('immediate')
    }
  })
})
