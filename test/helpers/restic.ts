import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { type CommandResult, mustRun, runCommand } from './spawn.ts'

const installed = spawnSync('restic', ['version']).status === 0

/**
 * `describe` for tests that need the real restic. Where it is not installed they are skipped, which is said in one
 * line; on CI that is a failure.
 */
export function describeWithRestic(name: string, tests: () => void): void {
  if (installed) return void describe(name, tests)
  if (process.env['CI'] === 'true') {
    describe(name, () => {
      it('needs restic', () => {
        throw new Error('restic is not installed, and on CI it has to be')
      })
    })
    return
  }
  console.warn(`skipped: ${name} (restic is not installed; sudo apt-get install restic)`)
  describe.skip(name, tests)
}

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
      RESTIC_PROGRESS_FPS: '0.016',
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
