import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sizeOf } from '../contestant.ts'
import { type Measurement, measure } from '../measure.ts'
import { type RaceContext, rest, secondTime, settle } from '../races.ts'
import { type BenchCluster, runPlainly, startBenchCluster, touchMail } from './cluster.ts'
import { type ClusterContestant, lifeboatForClusters, makeHome, pgbackrest, writeConfig } from './contestants.ts'

/** A cluster of pgbench's tables and one of mail is so much larger than the file of the other races. */
const CLUSTER_PART = 1.4

/** A cluster through its life: first backup, changed, restored, restored over an older copy. */
export async function raceCluster(context: RaceContext): Promise<void> {
  await withCluster(context, async cluster => {
    const tools = findContestants(context)
    for (let round = 1; round <= context.rounds; round++) {
      context.say(`round ${round} of ${context.rounds}`)
      for (const tool of tools) await tool.init(homeOf(context, tool), cluster)
      for (const tool of tools) await recordBackup(context, tool, 'cluster, first backup')
      await touchMail(cluster, round)
      for (const tool of tools) await recordBackup(context, tool, 'cluster, 1 % of a table changed')
      for (const tool of tools) await raceRestores(context, tool, cluster)
      for (const tool of tools) rmSync(homeOf(context, tool), { recursive: true, force: true })
    }
  })
}

async function recordBackup(context: RaceContext, tool: ClusterContestant, work: string): Promise<void> {
  const home = homeOf(context, tool)
  const before = tool.storedBytes(home)
  await rest()
  const measured = await tool.backup(home)
  context.recorder.add(work, tool.name, measured, tool.storedBytes(home) - before)
}

async function raceRestores(context: RaceContext, tool: ClusterContestant, cluster: BenchCluster): Promise<void> {
  const home = homeOf(context, tool)
  const target = join(homeOf(context, tool), 'restored')
  const [first = '', second = ''] = await tool.listBackups(home)
  for (const [work, delta] of [
    ['cluster, restore', false],
    ['cluster, restore over the older copy', true],
  ] as const) {
    const prepare = (): void => makeHome(target, cluster)
    const restore = async (): Promise<Measurement> => await tool.restore(home, target, second, delta)
    if (delta) {
      // Memory is there: the older copy was written a moment ago.
      prepare()
      await tool.restore(home, target, first, false)
      settle()
    }
    context.recorder.add(work, tool.name, delta ? await restore() : await secondTime(prepare, restore))
    await assertRestored(cluster, target)
  }
  rmSync(target, { recursive: true, force: true })
}

/** The big tables and their indexes are what the server has, byte for byte: nothing was changed since the backup. */
async function assertRestored(cluster: BenchCluster, target: string): Promise<void> {
  for (const [database, tables] of [
    ['mail', `'mail'`],
    ['pgbench', `'pgbench_accounts'`],
  ] as const) {
    const rows = await cluster.query(
      database,
      `SELECT pg_relation_filepath(c) AS path FROM (SELECT oid AS c FROM pg_class WHERE relname IN (${tables})
       UNION SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relname IN (${tables})) t`,
    )
    for (const path of rows.flatMap(row => segmentsOf(cluster.dataDir, String(row['path'])))) {
      const [one, other] = await Promise.all([digestOf(join(cluster.dataDir, path)), digestOf(join(target, path))])
      if (one !== other) throw new Error(`restored ${path} differs from the original`)
    }
  }
}

function segmentsOf(dataDir: string, path: string): string[] {
  const segments = [path]
  for (let number = 1; existsSync(join(dataDir, `${path}.${number}`)); number++) segments.push(`${path}.${number}`)
  return segments
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** One table, dumped by PostgreSQL's own program in its several ways and by us. */
export async function raceDump(context: RaceContext): Promise<void> {
  await withCluster(context, async cluster => {
    const home = join(context.dir, 'dump')
    const connect = ['-h', cluster.server.socketDir, '-p', String(cluster.server.port), '-U', 'postgres', 'mail']
    const pgDump = join(cluster.tools.binDir, 'pg_dump')
    const out = join(home, 'out')
    const ways: Record<string, string[]> = {
      'pg_dump -Fc': [pgDump, '-Fc', '-f', out, ...connect],
      'pg_dump -Fd -j2': [pgDump, '-Fd', '-j2', '-f', out, ...connect],
      'pg_dump | gzip': ['/bin/sh', '-c', `"$@" | gzip > ${out}`, 'sh', pgDump, ...connect],
    }
    for (let round = 0; round < context.rounds; round++) {
      for (const [tool, command] of Object.entries(ways)) {
        makeHome(home, cluster)
        settle()
        const measured = await measure(command, { user: cluster.user, cwd: home })
        context.recorder.add('dump of one table', tool, measured, sizeOf(out))
      }
      for (const jobs of [1, 2]) {
        if (context.bin === undefined) continue
        makeHome(home, cluster)
        writeConfig(home, cluster, { app: { kind: 'postgres', url: cluster.url('mail'), jobs } })
        const lifeboat = [...context.bin, '--config', join(home, 'lifeboat.yaml')]
        const options = { user: cluster.user, cwd: home, env: { HOME: home } }
        await measure([...lifeboat, 'init', '--yes'], options)
        settle()
        const measured = await measure([...lifeboat, 'backup'], options)
        const name = jobs === 1 ? 'lifeboat' : `lifeboat, jobs: ${jobs}`
        context.recorder.add('dump of one table', name, measured, sizeOf(join(home, 'repository')))
      }
    }
    rmSync(home, { recursive: true, force: true })
  })
}

const SEGMENTS = 64

/** Log files as PostgreSQL has them archived and asks for them: one command each, one after the other. */
export async function raceWal(context: RaceContext): Promise<void> {
  await withCluster(context, async cluster => {
    const names = await writeLog(cluster)
    for (let round = 1; round <= context.rounds; round++) {
      for (const tool of findContestants(context)) {
        const home = homeOf(context, tool)
        await tool.init(home, cluster)
        const dataDir = copyLog(home, cluster, names)
        const { push, fetch } = tool.walCommands(home, dataDir)
        const options = { user: cluster.user, cwd: dataDir, env: { HOME: home } }
        settle()
        context.recorder.add(
          `${SEGMENTS} segments archived`,
          tool.name,
          await measure(['/bin/sh', '-c', archiveAll(push, names).join('\n')], options),
          tool.storedBytes(home),
        )
        settle()
        await rest()
        context.recorder.add(
          `${SEGMENTS} segments fetched`,
          tool.name,
          await measure(['/bin/sh', '-c', fetchAll(fetch, names).join('\n')], options),
        )
        for (const name of names) runPlainly('cmp', [join(dataDir, 'pg_wal', name), join(dataDir, 'fetched', name)])
        rmSync(home, { recursive: true, force: true })
      }
    }
  })
}

/** What the server's archiver does with each file that waits. */
function archiveAll(command: string, names: readonly string[]): string[] {
  return names.map(name => {
    const status = `pg_wal/archive_status/${name}`
    return `sh -c '${command.replace('%p', `pg_wal/${name}`)}' && mv ${status}.ready ${status}.done || exit 1`
  })
}

/** What recovery does with each file that it wants next. */
function fetchAll(command: string, names: readonly string[]): string[] {
  return names.map(name => {
    const filled = command.replace('%f', name).replace('%p', 'pg_wal/RECOVERYXLOG')
    return `sh -c '${filled}' && mv pg_wal/RECOVERYXLOG fetched/${name} || exit 1`
  })
}

/** Enough of a real log; the names of so many whole segments. */
async function writeLog(cluster: BenchCluster): Promise<string[]> {
  await cluster.query('postgres', `ALTER SYSTEM SET wal_keep_size = '4GB'`)
  await cluster.query('postgres', 'SELECT pg_reload_conf()')
  const connect = ['-h', cluster.server.socketDir, '-p', String(cluster.server.port), '-U', 'postgres', 'pgbench']
  const folder = join(cluster.dataDir, 'pg_wal')
  const current = async (): Promise<string> =>
    String((await cluster.query('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn()) AS name'))[0]?.['name'])
  await cluster.query('postgres', 'SELECT pg_switch_wal()')
  const first = await current()
  for (let round = 1; ; round++) {
    const last = await current()
    const names = readdirSync(folder).filter(name => /^[0-9A-F]{24}$/.test(name) && name >= first && name < last)
    if (names.length >= SEGMENTS) return names.toSorted().slice(0, SEGMENTS)
    await touchMail(cluster, round)
    runPlainly(join(cluster.tools.binDir, 'pgbench'), ['-n', '-c', '2', '-t', '5000', ...connect])
  }
}

/** A data directory as far as these commands look at it. */
function copyLog(home: string, cluster: BenchCluster, names: readonly string[]): string {
  const dataDir = join(home, 'data')
  for (const folder of ['global', 'pg_wal/archive_status', 'fetched'])
    mkdirSync(join(dataDir, folder), { recursive: true })
  for (const path of ['PG_VERSION', 'global/pg_control', ...names.map(name => `pg_wal/${name}`)]) {
    runPlainly('cp', ['--reflink=auto', join(cluster.dataDir, path), join(dataDir, path)])
  }
  for (const name of names) writeFileSync(join(dataDir, 'pg_wal/archive_status', `${name}.ready`), '')
  if (cluster.user) runPlainly('chown', ['-R', `${cluster.user.uid}:${cluster.user.gid}`, dataDir])
  return dataDir
}

function findContestants({ bin, tools, say }: RaceContext): ClusterContestant[] {
  const ours = bin === undefined ? [] : [lifeboatForClusters(bin)]
  if (!tools.includes('pgbackrest')) return ours
  const peer = pgbackrest()
  if (peer === undefined) say('pgbackrest is not installed: left out')
  return peer === undefined ? ours : [...ours, peer]
}

const homeOf = (context: RaceContext, tool: ClusterContestant): string => join(context.dir, `${tool.name}-cluster`)

async function withCluster(context: RaceContext, race: (cluster: BenchCluster) => Promise<void>): Promise<void> {
  const { sizeBytes, say } = context
  const cluster = await startBenchCluster({
    dir: join(context.dir, 'postgres'),
    sizeBytes: Math.round(sizeBytes * CLUSTER_PART),
    say,
  })
  if (cluster === undefined) return
  try {
    await race(cluster)
  } finally {
    await cluster.close()
  }
}
