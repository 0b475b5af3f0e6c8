import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PASSWORD, sizeOf, versionOf } from '../contestant.ts'
import { type Measurement, measure } from '../measure.ts'
import type { BenchCluster } from './cluster.ts'

/** A tool that keeps whole clusters and their log. Everything of its own lies below `dir`. */
export interface ClusterContestant {
  readonly name: string
  readonly version: string
  /** A new, empty repository, in a new, empty folder. */
  init(dir: string, cluster: BenchCluster): Promise<void>
  backup(dir: string): Promise<Measurement>
  /** What can be restored, oldest first. */
  listBackups(dir: string): Promise<string[]>
  /** Brings back one of them to a new folder or, with `delta`, over an older copy. */
  restore(dir: string, target: string, backup: string, delta: boolean): Promise<Measurement>
  /** As `archive_command` and `restore_command` say it, for a shell in the data directory `dataDir`. */
  walCommands(dir: string, dataDir: string): { readonly push: string; readonly fetch: string }
  storedBytes(dir: string): number
}

export function lifeboatForClusters(bin: readonly string[]): ClusterContestant {
  const run = async (dir: string, user: BenchCluster['user'], ...args: string[]): Promise<Measurement> =>
    await measure([...bin, ...args, '--config', join(dir, 'lifeboat.yaml')], { cwd: dir, env: { HOME: dir }, user })
  let user: BenchCluster['user']
  return {
    name: 'lifeboat',
    version: versionOf([...bin, '--version']) ?? 'unknown',
    init: async (dir, cluster) => {
      user = cluster.user
      makeHome(dir, cluster)
      const source = { kind: 'postgres-cluster', url: cluster.url('postgres') }
      writeConfig(dir, cluster, { app: source })
      await run(dir, user, 'init', '--yes')
    },
    backup: async dir => await run(dir, user, 'backup'),
    listBackups: async dir => {
      const snapshots = JSON.parse((await run(dir, user, 'snapshots', '--json')).stdout) as { id: string }[]
      return snapshots.map(snapshot => snapshot.id)
    },
    restore: async (dir, target, backup, delta) =>
      await run(dir, user, 'restore', 'app', backup, '--to', target, ...(delta ? ['--force'] : [])),
    walCommands: dir => {
      const [node, script = ''] = bin
      // As the package's `lifeboat` is found on PATH, with the Node that all else here runs on.
      const command = `LIFEBOAT_NODE=${node} ${join(dirname(script), 'lifeboat')} --config ${join(dir, 'lifeboat.yaml')}`
      return { push: `${command} wal push %p`, fetch: `${command} wal fetch %f %p` }
    },
    storedBytes: dir => sizeOf(join(dir, 'repository')),
  }
}

/** A folder that belongs to who runs the server. */
export function makeHome(dir: string, { user }: BenchCluster): void {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (user) chownSync(dir, user.uid, user.gid)
}

/** `lifeboat.yaml` with these sources and a password file, in a folder made by `makeHome`. */
export function writeConfig(dir: string, { user }: BenchCluster, sources: Record<string, object>): void {
  const files = {
    password: PASSWORD,
    'lifeboat.yaml':
      `repositories:\n  main: { url: ./repository, passwordFile: ./password }\n` +
      `sources: ${JSON.stringify(sources)}\n`,
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, name), text, { mode: 0o600 })
    if (user) chownSync(join(dir, name), user.uid, user.gid)
  }
}

/** pgBackRest, where installed: two processes and zstd, all else as it comes. */
export function pgbackrest(): ClusterContestant | undefined {
  const version = versionOf(['pgbackrest', 'version'])
  if (version === undefined) return undefined
  let user: BenchCluster['user']
  const run = async (dir: string, ...args: string[]): Promise<Measurement> =>
    await measure([...commandOf(dir), ...args], { cwd: dir, env: { HOME: dir }, user })
  return {
    name: 'pgbackrest',
    version,
    init: async (dir, cluster) => {
      user = cluster.user
      makeHome(dir, cluster)
      writeFileSync(join(dir, 'pgbackrest.conf'), pgbackrestConfig(dir, cluster), { mode: 0o644 })
      await run(dir, 'stanza-create')
    },
    backup: async dir => await run(dir, 'backup'),
    listBackups: async dir => {
      const info = JSON.parse((await run(dir, 'info', '--output=json')).stdout) as { backup: { label: string }[] }[]
      return info.flatMap(stanza => stanza.backup.map(backup => backup.label))
    },
    restore: async (dir, target, backup, delta) =>
      await run(dir, 'restore', `--pg1-path=${target}`, `--set=${backup}`, ...(delta ? ['--delta'] : [])),
    walCommands: (dir, dataDir) => {
      const command = [...commandOf(dir), `--pg1-path=${dataDir}`, '--archive-async'].join(' ')
      return { push: `${command} archive-push %p`, fetch: `${command} archive-get %f %p` }
    },
    storedBytes: dir => sizeOf(join(dir, 'repository')),
  }
}

const commandOf = (dir: string): string[] => ['pgbackrest', `--config=${join(dir, 'pgbackrest.conf')}`, '--stanza=app']

function pgbackrestConfig(dir: string, cluster: BenchCluster): string {
  const { socketDir, port } = cluster.server
  return `[global]
repo1-path=${dir}/repository
log-path=${dir}/log
lock-path=${dir}/lock
spool-path=${dir}/spool
log-level-file=off
process-max=2
compress-type=zst
start-fast=y
# The log has a race of its own; here nobody has to wait for it.
archive-check=n
archive-mode-check=n

[app]
pg1-path=${cluster.dataDir}
pg1-socket-path=${socketDir}
pg1-port=${port}
pg1-user=postgres
`
}
