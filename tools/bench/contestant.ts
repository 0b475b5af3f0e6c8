import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CommandOptions, type Measurement, measure } from './measure.ts'

/** One backup tool in the race: its commands, each measured, in a repository below a folder of its own. */
export interface Contestant {
  readonly name: string
  readonly version: string
  /** A new, empty repository for this file, in a new, empty folder. */
  init(dir: string, file: string): Promise<void>
  backup(dir: string, file: string): Promise<Measurement>
  /** Brings back the last state of `file` as `target`. */
  restore(dir: string, file: string, target: string): Promise<Measurement>
  /**
   * As `restore`, and then what lifeboat's restore also does: bring the file to disk and look whether it is a sound
   * database. Undefined where `restore` does that by itself, or the `sqlite3` shell is missing.
   */
  readonly restoreAndCheck?: (dir: string, file: string, target: string) => Promise<Measurement>
  /** Over an existing, different `target`; undefined where the tool has no such thing. */
  restoreInPlace?(dir: string, file: string, target: string): Promise<Measurement>
  checkData(dir: string): Promise<Measurement>
  listSnapshots(dir: string): Promise<Measurement>
  showVersion(): Promise<Measurement>
  storedBytes(dir: string): number
}

export const PASSWORD = 'bench'

export function lifeboat(bin: readonly string[]): Contestant {
  const run = (dir: string, ...args: string[]): Promise<Measurement> =>
    measure([...bin, ...args, '--config', join(dir, 'lifeboat.yaml')], { cwd: dir })
  return {
    name: 'lifeboat',
    version: versionOf([...bin, '--version']) ?? 'unknown',
    init: async (dir, file) => {
      mkdirSync(dir, { recursive: true })
      writeFileSync(join(dir, 'password'), PASSWORD, { mode: 0o600 })
      writeFileSync(
        join(dir, 'lifeboat.yaml'),
        `repositories:\n  main: { url: ./repository, passwordFile: ./password }\n` +
          `sources:\n  app: { kind: sqlite, path: ${JSON.stringify(file)} }\n`,
      )
      await run(dir, 'init', '--yes')
    },
    backup: dir => run(dir, 'backup'),
    restore: (dir, _file, target) => run(dir, 'restore', 'app', 'latest', '--to', target),
    restoreInPlace: (dir, _file, target) => run(dir, 'restore', 'app', 'latest', '--to', target, '--force'),
    checkData: dir => run(dir, 'check', '--read-data'),
    listSnapshots: dir => run(dir, 'snapshots'),
    showVersion: () => measure([...bin, '--version']),
    storedBytes: dir => sizeOf(repositoryOf(dir)),
  }
}

/** restic, where installed. */
export function restic(): Contestant | undefined {
  const version = versionOf(['restic', 'version'])
  if (version === undefined) return undefined
  return {
    name: 'restic',
    version,
    init: async dir => {
      mkdirSync(dir, { recursive: true })
      await runRestic(dir, 'init', '--repository-version', '2')
    },
    backup: (dir, file) => runRestic(dir, 'backup', file),
    restore: async (dir, file, target) => {
      // restic makes the file's whole path below the folder; nothing is measured but restic.
      rmSync(`${target}.restic`, { recursive: true, force: true })
      return runRestic(dir, 'restore', 'latest', '--path', file, '--target', `${target}.restic`)
    },
    ...(versionOf(['sqlite3', '--version']) === undefined ? {} : { restoreAndCheck: resticRestoreAndCheck }),
    checkData: dir => runRestic(dir, 'check', '--read-data'),
    listSnapshots: dir => runRestic(dir, 'snapshots'),
    showVersion: () => measure(['restic', 'version']),
    storedBytes: dir => sizeOf(repositoryOf(dir)),
  }
}

/** borg, where installed, with zstd as the others have. */
export function borg(): Contestant | undefined {
  const version = versionOf(['borg', '--version'])
  if (version === undefined) return undefined
  let archives = 0
  return {
    name: 'borg',
    version,
    init: async dir => {
      mkdirSync(dir, { recursive: true })
      await runBorg(dir, ['init', '--encryption', 'repokey', repositoryOf(dir)])
    },
    backup: (dir, file) =>
      runBorg(dir, ['create', '--compression', 'zstd,3', `${repositoryOf(dir)}::a${++archives}`, file]),
    restore: (dir, _file, target) => {
      rmSync(`${target}.borg`, { recursive: true, force: true })
      mkdirSync(`${target}.borg`)
      return runBorg(dir, ['extract', `${repositoryOf(dir)}::a${archives}`], { cwd: `${target}.borg` })
    },
    checkData: dir => runBorg(dir, ['check', '--verify-data', repositoryOf(dir)]),
    listSnapshots: dir => runBorg(dir, ['list', repositoryOf(dir)]),
    showVersion: () => measure(['borg', '--version']),
    storedBytes: dir => sizeOf(repositoryOf(dir)),
  }
}

/** `quick_check` and counted rows, as lifeboat does with databases above 512 MiB. */
const CHECKS = 'PRAGMA quick_check; SELECT count(*) FROM messages; SELECT count(*) FROM users'

function resticRestoreAndCheck(dir: string, file: string, target: string): Promise<Measurement> {
  rmSync(`${target}.restic`, { recursive: true, force: true })
  const script =
    'restic -r "$1" --cache-dir "$2" restore latest --path "$3" --target "$4" && sync "$4$3" && sqlite3 "$4$3" "$5"'
  const words = [repositoryOf(dir), join(dir, 'cache'), file, `${target}.restic`, CHECKS]
  return measure(['sh', '-c', script, 'sh', ...words], { env: { RESTIC_PASSWORD: PASSWORD } })
}

function runRestic(dir: string, ...args: string[]): Promise<Measurement> {
  return measure(['restic', '-r', repositoryOf(dir), '--cache-dir', join(dir, 'cache'), ...args], {
    env: { RESTIC_PASSWORD: PASSWORD },
  })
}

function runBorg(dir: string, args: readonly string[], options: CommandOptions = {}): Promise<Measurement> {
  const env = { BORG_PASSPHRASE: PASSWORD, BORG_BASE_DIR: join(dir, 'base') }
  return measure(['borg', ...args], { ...options, env })
}

const repositoryOf = (dir: string): string => join(dir, 'repository')

/** A file's size, or the sum of the sizes of all files below a folder; links are not followed. */
export function sizeOf(path: string): number {
  const found = lstatSync(path)
  if (!found.isDirectory()) return found.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

export function versionOf([command = '', ...args]: readonly string[]): string | undefined {
  const result = spawnSync(command, args, { encoding: 'utf8' })
  return result.status === 0 ? /\d+\.\d+(\.\d+)?/.exec(result.stdout)?.[0] : undefined
}
