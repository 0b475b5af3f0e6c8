import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { SftpServer } from './sftp-server.ts'
import { type CommandResult, lifeboat, mustRun, type RunningCommand, runLifeboat, startLifeboat } from './spawn.ts'
import { makeTempDir } from './tempdir.ts'
import { digestTree } from './tree-digest.ts'
import { pseudoRandom } from './workspace.ts'

let next = 0

/** A folder to back up, and a configuration with a repository on a server of SFTP. */
export class SftpInstallation {
  readonly folder = makeTempDir()
  /** The repository's folder, as this machine sees it. */
  readonly remote: string
  readonly url: string
  readonly #server: SftpServer

  constructor(server: SftpServer, files: number, bytes: number) {
    this.#server = server
    this.remote = join(server.root, `repo${next++}`)
    this.url = server.url(this.remote)
    mkdirSync(join(this.folder, 'docs'))
    for (let at = 0; at < files; at++) {
      writeFileSync(join(this.folder, 'docs', `file${at}`), pseudoRandom(bytes, at + 1))
    }
    writeFileSync(join(this.folder, 'password'), 'a password\n', { mode: 0o600 })
    const repository = { url: this.url, passwordFile: './password', storage: server.storageOptions }
    const config = { repositories: { main: repository }, sources: { docs: { kind: 'files', path: './docs' } } }
    writeFileSync(join(this.folder, 'lifeboat.yaml'), JSON.stringify(config))
  }

  /** Where the user's own `ssh` knows the server, and only the URL is given. */
  get environment(): Record<string, string> {
    return {
      PATH: `${this.#server.programs}${delimiter}${process.env['PATH'] ?? ''}`,
      LIFEBOAT_PASSWORD_FILE: join(this.folder, 'password'),
    }
  }

  run(...args: string[]): Promise<string> {
    return lifeboat(args, { cwd: this.folder })
  }

  try(...args: string[]): Promise<CommandResult> {
    return runLifeboat(args, { cwd: this.folder })
  }

  start(...args: string[]): RunningCommand {
    return startLifeboat(args, { cwd: this.folder })
  }

  restic(...args: string[]): Promise<string> {
    const words = ['-o', `sftp.command=${this.#server.resticCommand}`, '-r', `sftp:lifeboat-test:${this.remote}`]
    const env = { RESTIC_PASSWORD_FILE: join(this.folder, 'password'), RESTIC_CACHE_DIR: join(this.folder, 'cache') }
    return mustRun('timeout', ['120', 'restic', ...words, ...args], { env })
  }

  get docs(): string[] {
    return digestTree(join(this.folder, 'docs'))
  }

  get packs(): number {
    try {
      const data = join(this.remote, 'data')
      return readdirSync(data).flatMap(name => readdirSync(join(data, name))).length
    } catch {
      return 0
    }
  }
}
