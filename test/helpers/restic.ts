import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type CommandResult, mustRun, runCommand } from './spawn.ts'

const installed = spawnSync('restic', ['version']).status === 0
if (!installed) console.warn('restic is not installed: tests that need it are skipped (sudo apt-get install restic)')

/** For `describe.skipIf`: tests that need the real restic are skipped without it, but on CI they fail then. */
export const skipRestic = !installed && process.env['CI'] !== 'true'

export interface ResticSnapshot {
  readonly id: string
  readonly short_id: string
  readonly time: string
  readonly tree: string
  readonly parent?: string
  readonly paths: readonly string[]
  readonly hostname: string
  readonly username: string
  readonly tags?: readonly string[]
}

/** The real restic on one repository, with a cache below `dir`. */
export class Restic {
  readonly repository: string
  readonly #env: Readonly<Record<string, string>>

  constructor(dir: string, repository: string, password: string) {
    this.repository = repository
    this.#env = {
      RESTIC_REPOSITORY: repository,
      RESTIC_PASSWORD: password,
      RESTIC_CACHE_DIR: join(dir, 'restic-cache'),
    }
  }

  /** Any command; throws when it fails. Returns stdout. */
  async run(...args: readonly string[]): Promise<string> {
    return mustRun('restic', args, { env: this.#env })
  }

  async try(...args: readonly string[]): Promise<CommandResult> {
    return runCommand('restic', args, { env: this.#env })
  }

  async init(version: 1 | 2): Promise<void> {
    await this.run('init', '--repository-version', String(version))
  }

  /** Every pack read and every structure checked; throws with what restic says when anything is wrong. */
  async checkAll(): Promise<void> {
    const output = await this.run('check', '--read-data')
    if (!output.includes('no errors were found')) throw new Error(`restic check says:\n${output}`)
  }

  async snapshots(): Promise<ResticSnapshot[]> {
    return JSON.parse(await this.run('snapshots', '--json')) as ResticSnapshot[]
  }

  async restore(id: string, target: string): Promise<void> {
    await this.run('restore', id, '--target', target)
  }
}
