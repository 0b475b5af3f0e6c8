import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { findTool } from '../../src/base/process.ts'
import { freePort, runTool, startServer, withSession } from '../../src/clients/postgres/index.ts'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { type CommandResult, runCommand, startCommand } from '../helpers/spawn.ts'

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.js')
const run = promisify(execFile)

interface Started {
  readonly port: number
  readonly socketDir: string
}

describeWithPostgres('a cluster with its log, from the command line', () => {
  let test: TestCluster
  let dir = ''
  let config = ''
  let owner = { uid: 0, gid: 0 }
  const xids: string[] = []

  /** As PostgreSQL's user: whose files these are. */
  const asOwner = async (command: string, args: readonly string[], cwd = dir): Promise<CommandResult> => {
    const env = { HOME: dir, XDG_CACHE_HOME: join(dir, 'cache'), RESTIC_PASSWORD_FILE: join(dir, 'password') }
    if (process.getuid?.() !== 0) return await runCommand(command, args, { cwd, env })
    const become = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups']
    return await runCommand('setpriv', [...become, command, ...args], { cwd, env })
  }
  const lifeboat = async (...args: string[]): Promise<CommandResult> =>
    await asOwner(process.execPath, [BIN, '--config', config, ...args])
  /** Its JSON, held to what the reference says of it. */
  const json = async <T>(name: string, ...args: string[]): Promise<T> => {
    const result = await lifeboat(...name.split(' '), ...args, '--json')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    return documentedOutput(name, result.stdout) as T
  }
  const write = async (count: number): Promise<void> =>
    await withSession(test.admin, {}, async session => {
      for (let i = 0; i < count; i++) {
        const [row] = await session.query<{ xid: string }>(
          'INSERT INTO public.t VALUES ($1) RETURNING pg_current_xact_id()::text AS xid',
          [xids.length + 1],
        )
        xids.push(row?.xid ?? '')
      }
    })
  const rowsOf = async ({ socketDir, port }: Started): Promise<number> => {
    const settings = { ...test.admin, host: socketDir, port }
    const [row] = await withSession(settings, {}, s =>
      s.query<{ n: number }>('SELECT count(*)::int AS n FROM public.t'),
    )
    return row?.n ?? -1
  }
  const stop = async (target: string): Promise<void> => {
    const identity = process.getuid?.() === 0 ? owner : {}
    const args = ['-D', target, '-m', 'immediate', 'stop']
    await runTool(test.tools, { tool: 'pg_ctl', args, settings: undefined, cwd: '/', ...identity }, 'stop the copy')
  }

  beforeAll(async () => {
    dir = await makeTempDir('lb-e2e-')
    config = join(dir, 'lifeboat.yaml')
    const push = `${process.execPath} ${BIN} --config ${config} wal push %p`
    test = await startTestCluster({
      initArgs: ['--auth=trust', '--data-checksums', '--wal-segsize=1'],
      settings: ['full_page_writes=on', 'track_commit_timestamp=on', 'archive_mode=on', `archive_command=${push}`],
    })
    owner = await stat(test.cluster.dataDir)
    await writeFile(join(dir, 'password'), 'a long one\n')
    const url = test.url('postgres')
    await writeFile(
      config,
      `repositories:\n  main: { url: ./repo, passwordFile: ./password }\nsources:\n  shop: { kind: postgres-cluster, url: "${url}" }\n`,
    )
    await run('chmod', ['600', join(dir, 'password')])
    await run('chown', ['-R', `${owner.uid}:${owner.gid}`, dir])
    const made = await lifeboat('init', '--yes')
    if (made.code !== 0) throw new Error(made.stderr)
    await cheapenKeys(join(dir, 'repo'), 'a long one')
    await test.query('postgres', 'CREATE TABLE t (n int)')
    await write(10)
    await json('backup', 'shop')
    await write(50)
    await test.query('postgres', 'SELECT pg_switch_wal()')
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })

  it('archives, and says how far', async () => {
    interface Status {
      readonly repositories: ReadonlyArray<{
        readonly clusters: ReadonlyArray<{ readonly windows: readonly unknown[]; readonly gaps: readonly unknown[] }>
        readonly lag: { readonly bytes: number } | null
      }>
    }
    await vi.waitFor(
      async () => {
        const status = await json<Status>('wal status', 'shop')
        expect(status.repositories[0]?.lag?.bytes).toBeLessThan(1 << 20)
        expect(status.repositories[0]?.clusters[0]).toMatchObject({ gaps: [], windows: [{ timeline: 1 }] })
      },
      { timeout: 60_000, interval: 500 },
    )
    const [point] = await json<Array<{ window?: { timeline: number } }>>('snapshots', 'shop')
    expect(point?.window?.timeline).toBe(1)
    expect((await lifeboat('snapshots', 'shop')).stdout).toContain('any moment from')
  })

  it('recovers to a transaction and starts a server on it', async () => {
    const target = join(dir, 'copy')
    const early = ['--xid', xids[34] ?? '', '--to', target, '--start']
    const restored = await json<{ started: Started }>('restore', 'shop', ...early)
    try {
      expect(await rowsOf(restored.started)).toBe(35)
    } finally {
      await stop(target)
    }
    // The older copy is brought to another moment, by what differs.
    const again = await json<{ started: Started; writtenBytes: number; totalBytes: number }>(
      ...(['restore', 'shop', '--xid', xids[44] ?? '', '--to', target, '--start', '--force'] as const),
    )
    try {
      expect(await rowsOf(again.started)).toBe(45)
      expect(again.writtenBytes).toBeLessThan(again.totalBytes / 2)
    } finally {
      await stop(target)
    }
  })

  it('begins at the newest backup that ended before a restore point, a transaction, a position or a microsecond', async () => {
    const target = join(dir, 'before')
    const newest = async (): Promise<string> =>
      (JSON.parse((await lifeboat('snapshots', 'shop', '--json')).stdout) as Array<{ id: string }>).at(-1)?.id ?? ''
    const first = await newest()
    await test.query('postgres', "SELECT pg_create_restore_point('release')")
    const released = xids.length
    await write(4)
    const [wanted] = await test.query<{ at: string; lsn: string }>(
      'postgres',
      `SELECT pg_current_wal_lsn()::text AS lsn,
         to_char(pg_xact_commit_timestamp('${xids[released + 1]}'::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS at`,
    )
    await json('backup', 'shop')
    await write(2)
    const second = await newest()
    expect(second).not.toBe(first)
    const [switched] = await test.query<{ name: string }>('postgres', 'SELECT pg_walfile_name(pg_switch_wal()) AS name')
    const isStored = `SELECT last_archived_wal >= '${switched?.name}' AS stored FROM pg_stat_archiver`
    await vi.waitFor(async () => expect(await test.query('postgres', isStored)).toEqual([{ stored: true }]), 60_000)
    const planned = async (...words: string[]): Promise<string | undefined> => {
      const result = await lifeboat('restore', 'shop', ...words, '--to', target, '--dry-run', '--json')
      expect(result.code, result.stderr).toBe(0)
      return [first, second].find(id => result.stdout.includes(id.slice(0, 8)))
    }
    expect(await planned('--name', 'release')).toBe(first)
    expect(await planned('--xid', xids[released + 1] ?? '')).toBe(first)
    expect(await planned('--lsn', wanted?.lsn ?? '')).toBe(first)
    expect(await planned('--xid', xids.at(-1) ?? '')).toBe(second)
    const unknown = await lifeboat('restore', 'shop', '--name', 'relaese', '--to', target)
    expect(unknown.stderr).toMatch(/restore point relaese is not in the log[\s\S]*There are "release"/)
    const late = await lifeboat('restore', 'shop', second, '--name', 'release', '--to', target)
    expect(late.stderr).toMatch(new RegExp(`is no start for a recovery[\\s\\S]*name ${first.slice(0, 8)}`))
    await expect(stat(target)).rejects.toThrow('ENOENT')
    // The transaction that committed at this very microsecond is in, and without it when told so.
    const counts: number[] = []
    for (const words of [
      ['--name', 'release'],
      ['--at', wanted?.at ?? ''],
      ['--at', wanted?.at ?? '', '--exclusive'],
    ]) {
      const all = [...words, '--to', target, '--start', '--force'] as const
      const { started } = await json<{ started: Started }>('restore', 'shop', ...all)
      try {
        counts.push(await rowsOf(started))
      } finally {
        await stop(target)
      }
    }
    expect(counts).toEqual([released, released + 2, released + 1])
  })

  it('refuses a moment that is not covered, and says what is', async () => {
    const early = await lifeboat('restore', 'shop', '--at', '2001-01-01', '--to', join(dir, 'none'))
    expect(early.code).toBe(1)
    expect(early.stderr).toMatch(/before the end of the first backup[\s\S]*Choose a moment within/)
    const late = await lifeboat('restore', 'shop', '--at', '2101-01-01', '--to', join(dir, 'none'))
    expect(late.code).toBe(1)
    expect(late.stderr).toMatch(/does not reach it/)
    const warned = async (...more: string[]): Promise<boolean> => {
      const [point] = await json<Array<{ window?: { to: string } }>>('snapshots', 'shop')
      const idle = ['--at', point?.window?.to ?? '', '--to', join(dir, 'none'), '--dry-run', ...more]
      const { stderr } = await lifeboat('restore', 'shop', ...idle)
      // Which of the two, what the server wrote after its last backup decides.
      return /(the last transaction in its log ended at|holds no transaction after) [\s\S]*--timeline latest/.test(
        stderr,
      )
    }
    await vi.waitFor(async () => expect(await warned()).toBe(true), { timeout: 60_000, interval: 500 })
    expect(await warned('--start')).toBe(false)
    expect((await lifeboat('restore', 'shop', '--lsn', 'x', '--to', join(dir, 'none'))).code).toBe(2)
    expect((await lifeboat('restore', 'shop', '--xid', '1', '--immediate', '--to', join(dir, 'none'))).code).toBe(2)
    await expect(stat(join(dir, 'none'))).rejects.toThrow('ENOENT')
  })

  it('keeps the contract of archive_command and restore_command', async () => {
    const at = ['--system', '1']
    const missing = await lifeboat('wal', 'fetch', '0000000100000000000000EE', join(dir, 'x'), ...at)
    expect(missing.code).toBe(1)
    expect((await lifeboat('wal', 'fetch', '../../etc/passwd', join(dir, 'x'), ...at)).code).toBeLessThanOrEqual(125)
    const none = await lifeboat('wal', 'push', join(dir, '0000000100000000000000EE'))
    expect(none.code).toBeGreaterThan(0)
    expect(none.code).toBeLessThanOrEqual(125)
  })

  it('stores and fetches ahead, so that the repository is not asked for each file', async () => {
    const folder = join(dir, 'like-a-cluster')
    const live = test.cluster.dataDir
    const [first = '', second = ''] = (await readdir(join(live, 'pg_wal')))
      .filter(n => /^[0-9A-F]{24}$/.test(n))
      .toSorted()
    await mkdir(join(folder, 'pg_wal', 'archive_status'), { recursive: true })
    await mkdir(join(folder, 'global'))
    await cp(join(live, 'global', 'pg_control'), join(folder, 'global', 'pg_control'))
    for (const name of [first, second]) await cp(join(live, 'pg_wal', name), join(folder, 'pg_wal', name))
    await writeFile(join(folder, 'pg_wal', 'archive_status', `${second}.ready`), '')
    await run('chown', ['-R', `${owner.uid}:${owner.gid}`, folder])
    const wal = async (...args: string[]): Promise<number> =>
      (await asOwner(process.execPath, [BIN, '--config', config, 'wal', ...args], folder)).code
    // Without a Node to go on with: what ends with 0 was answered by the shell alone.
    const front = async (...args: string[]): Promise<number> =>
      (
        await asOwner(
          'env',
          ['LIFEBOAT_NODE=false', join(dirname(BIN), 'lifeboat'), '--config', config, ...args],
          folder,
        )
      ).code
    const said = async (name: string, ...args: string[]): Promise<unknown> => {
      const words = [BIN, '--config', config, ...name.split(' '), ...args, '--json']
      const { stdout } = await asOwner(process.execPath, words, folder)
      return documentedOutput(name, stdout)
    }
    expect(await said('wal push', `pg_wal/${first}`)).toMatchObject({ name: first, ahead: 1 })
    expect(await said('wal fetch', first, 'pg_wal/RECOVERYXLOG')).toMatchObject({ outcome: 'fetched' })
    const log = join(folder, 'pg_wal/RECOVERYXLOG')
    const asStored = async (): Promise<void> =>
      expect(await readFile(log)).toEqual(await readFile(join(live, 'pg_wal', second)))
    await rename(join(dir, 'repo'), join(dir, 'away'))
    try {
      expect(await wal('push', `pg_wal/${second}`)).toBe(0)
      // The note is used up.
      expect(await wal('push', `pg_wal/${second}`)).toBeGreaterThan(0)
      expect(await wal('fetch', second, 'pg_wal/RECOVERYXLOG')).toBe(0)
      await asStored()
      expect(await wal('fetch', second, 'pg_wal/RECOVERYXLOG')).toBeGreaterThan(0)
    } finally {
      await rename(join(dir, 'away'), join(dir, 'repo'))
    }
    // The same by the shell alone. What was asked differently, or of a configuration that was written since, is not done.
    const ahead = async (): Promise<void> => {
      expect(await said('wal push', `pg_wal/${first}`)).toMatchObject({ name: first, ahead: 1 })
      expect(await said('wal fetch', first, 'pg_wal/RECOVERYXLOG')).toMatchObject({ outcome: 'fetched' })
      await rm(log)
    }
    const push = ['wal', 'push', `pg_wal/${second}`]
    const fetch = ['wal', 'fetch', second, 'pg_wal/RECOVERYXLOG']
    await ahead()
    for (const call of [push, fetch]) {
      expect(await front(...call, '--source', 'shop')).toBe(1)
      expect(await front(...call, '--json')).toBe(1)
      expect(await front(...call, '--system', '1')).toBe(1)
      expect(await front(...call)).toBe(0)
      expect(await front(...call)).toBe(1)
    }
    await asStored()
    await ahead()
    // As the recovery of a restore asks; who may read the configuration is no matter of the notes.
    expect([await front('--trust-config', ...push), await front('--trust-config', ...fetch)]).toEqual([0, 0])
    // A state folder that cannot be written only costs what is done ahead.
    await run('chmod', ['-R', 'a-w', join(dir, '.lifeboat')])
    await rm(log)
    expect([await wal('push', `pg_wal/${first}`), await wal('fetch', second, 'pg_wal/RECOVERYXLOG')]).toEqual([0, 0])
    await asStored()
    await run('chmod', ['-R', 'u+w', join(dir, '.lifeboat')])
    await ahead()
    await utimes(join(folder, 'pg_wal', second), new Date(), new Date())
    expect(await front(...push)).toBe(1)
    await run('touch', [config])
    expect(await front(...fetch)).toBe(1)
  })

  it('receives until it is told to stop', async () => {
    const words = [BIN, '--config', config, 'wal', 'receive', 'shop', '--json']
    const become =
      process.getuid?.() === 0 ? ['setpriv', `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'] : []
    const [command = '', ...args] = [...become, process.execPath, ...words]
    const isActive = async (active: boolean): Promise<void> =>
      await vi.waitFor(
        async () =>
          expect(await test.query('postgres', 'SELECT active FROM pg_replication_slots')).toEqual([{ active }]),
        { timeout: 60_000, interval: 100 },
      )
    const receiving = startCommand(command, args, { cwd: dir, env: { HOME: dir } })
    try {
      await isActive(true)
      await write(3)
      await test.query('postgres', 'SELECT pg_switch_wal()')
    } finally {
      receiving.child.kill('SIGTERM')
    }
    const { code, stdout, stderr } = await receiving.result
    expect(code, stderr).toBe(0)
    expect(documentedOutput('wal receive', stdout)).toMatchObject({ source: 'shop' })
    // Killed, it takes its pg_receivewal along: else the slot stays in use, and the next one can't receive.
    const killed = startCommand(command, args, { cwd: dir, env: { HOME: dir } })
    await isActive(true)
    killed.child.kill('SIGKILL')
    await killed.result
    await isActive(false)
    await test.query('postgres', "SELECT pg_drop_replication_slot('lifeboat')")
  })

  it('frees log that no backup needs, and none that one needs', async () => {
    await write(5)
    await json('backup', 'shop', '--type', 'full')
    await test.query('postgres', 'SELECT pg_switch_wal()')
    interface Pruned {
      readonly repositories: ReadonlyArray<{ readonly log?: { readonly files: number } }>
    }
    expect((await json<Pruned>('prune', '--dry-run')).repositories[0]?.log?.files ?? 0).toBeLessThanOrEqual(2)
    await json('forget', 'shop', '--keep-last', '1')
    expect((await json<Pruned>('prune')).repositories[0]?.log?.files).toBeGreaterThan(0)
    const target = join(dir, 'after-prune')
    const restored = await json<{ started: Started }>('restore', 'shop', '--to', target, '--start')
    try {
      expect(await rowsOf(restored.started)).toBe(xids.length)
    } finally {
      await stop(target)
    }
  })

  it('is brought back by restic alone', async context => {
    if ((await findTool('restic')) === undefined) context.skip('restic is not installed')
    const out = join(dir, 'by-restic')
    const result = await asOwner('restic', ['-r', join(dir, 'repo'), 'restore', 'latest', '--target', out])
    expect(result.code, result.stderr).toBe(0)
    const socketDir = join(dir, 'socket')
    await mkdir(socketDir)
    await run('chown', [`${owner.uid}:${owner.gid}`, socketDir])
    const server = await startServer({
      tools: test.tools,
      dataDir: join(out, 'shop'),
      socketDir,
      port: await freePort(),
      user: process.getuid?.() === 0 ? owner : undefined,
    })
    try {
      expect(await rowsOf({ socketDir, port: server.port })).toBe(xids.length)
    } finally {
      await server.stop('immediate')
    }
  })
})
