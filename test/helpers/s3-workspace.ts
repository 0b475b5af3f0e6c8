import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { S3_KEYS } from './s3-server.ts'
import { type CommandOptions, mustRun, type RunningCommand, runLifeboat, startLifeboat } from './spawn.ts'
import { makeTempDir } from './tempdir.ts'
import { pseudoRandom } from './workspace.ts'

/** Longer than anything takes: restic asks a server that is gone for a quarter of an hour. */
const RESTIC_SECONDS = '240'

/** A folder with an application and a `lifeboat.yaml` whose repository is a bucket; removed with the test. */
export class S3Workspace {
  readonly dir = makeTempDir()
  readonly app = join(this.dir, 'app')
  readonly uploads = join(this.app, 'uploads')
  readonly url: string
  /** All that was printed, for who looks for secrets. */
  printed = ''

  constructor(url: string) {
    this.url = url
    mkdirSync(this.uploads, { recursive: true })
    for (const [name, size] of [
      ['a.txt', 5],
      ['b.bin', 70_000],
      ['c.bin', 3_000_000],
    ] as const) {
      writeFileSync(join(this.uploads, name), pseudoRandom(size, size))
    }
  }

  /** Our command; throws unless it ends with 0. Gives stdout. */
  async run(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(...args)
    if (code === 0) return stdout
    throw new Error(`lifeboat ${args.join(' ')} ended with ${code}\n${stderr}${stdout}`)
  }

  /** The same, however it ends. */
  async attempt(...args: readonly string[]): Promise<Awaited<ReturnType<typeof runLifeboat>>> {
    const ended = await runLifeboat(args, this.#options)
    this.printed += ended.stdout + ended.stderr
    return ended
  }

  start(...args: readonly string[]): RunningCommand {
    return startLifeboat(args, this.#options)
  }

  /** @param passwordFile default: the one that `init` made */
  async restic(args: readonly string[], passwordFile = join(this.app, '.lifeboat/password')): Promise<string> {
    return await mustRun('timeout', [RESTIC_SECONDS, 'restic', '-r', this.url, ...args], {
      env: {
        ...this.#options.env,
        RESTIC_PASSWORD_FILE: passwordFile,
        RESTIC_CACHE_DIR: join(this.dir, 'restic-cache'),
      },
    })
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  get #options(): CommandOptions {
    return {
      cwd: this.app,
      env: {
        AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
        AWS_REGION: 'us-east-1',
        HOME: this.dir,
        XDG_STATE_HOME: undefined,
      },
    }
  }
}
