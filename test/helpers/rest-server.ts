import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../../src/clients/postgres/index.ts'
import { isListening } from './sftp-server.ts'

/** As tools/setup installs it. */
const RCLONE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lifeboat-tests/rclone-1.75.2/rclone')
const installed = isProgram(RCLONE)
if (!installed) console.warn('rclone is not installed: tests of REST servers are skipped (sh tools/setup)')

/** For `describe.skipIf`: skipped without the server, but on CI they fail then. */
export const skipRest = !installed && process.env['CI'] !== 'true'

export interface RestServerOptions {
  readonly appendOnly?: boolean | undefined
}

/** `rclone serve restic` on a free port of this machine, over a folder. */
export class RestServer {
  readonly root: string
  readonly username = 'me'
  readonly password = 'sesame-open'
  readonly port: number
  readonly #folder: string
  #process: ChildProcess | undefined

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.root = join(folder, 'root')
    this.port = port
  }

  static async start(options: RestServerOptions = {}): Promise<RestServer> {
    const server = new RestServer(mkdtempSync(join(tmpdir(), 'lifeboat-rest-')), await freePort())
    mkdirSync(server.root)
    await server.startAgain(options)
    return server
  }

  url(path: string): string {
    return `rest:http://127.0.0.1:${this.port}/${path}/`
  }

  /** What tells Lifeboat and restic how to log in. */
  get environment(): Record<string, string> {
    return { RESTIC_REST_USERNAME: this.username, RESTIC_REST_PASSWORD: this.password }
  }

  async startAgain({ appendOnly = false }: RestServerOptions = {}): Promise<void> {
    const address = ['--addr', `127.0.0.1:${this.port}`, '--config', join(this.#folder, 'none.conf')]
    const args = ['serve', 'restic', ...address, ...(appendOnly ? ['--append-only'] : []), this.root]
    const env = { ...process.env, RCLONE_USER: this.username, RCLONE_PASS: this.password }
    const started = spawn(RCLONE, args, { env, stdio: 'ignore' })
    // A test run that dies must not leave servers behind.
    process.once('exit', () => void started.kill('SIGKILL'))
    this.#process = started
    while (!(await isListening(this.port))) {
      if (started.exitCode !== null) throw new Error('rclone did not start')
      await wait(20)
    }
  }

  async stop(): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (!server || server.exitCode !== null) return
    const ended = new Promise(resolve => server.once('exit', resolve))
    server.kill('SIGKILL')
    await ended
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
