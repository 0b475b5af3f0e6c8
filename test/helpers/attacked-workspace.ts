import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { systemClock } from '../../src/base/clock.ts'
import { collect } from '../../src/base/collect.ts'
import { Secret } from '../../src/base/secret.ts'
import { openRepository } from '../../src/repository/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { backUp, engineOptions } from './engine.ts'
import { commandOf, documentedOutput } from './json-output.ts'
import { S3_KEYS } from './s3-server.ts'
import { openTestS3 } from './s3-storage.ts'
import { type CommandResult, lifeboat, runLifeboat } from './spawn.ts'
import type { BucketServer } from './versioned-bucket.ts'
import { startVersionedS3 } from './versioned-s3-server.ts'

const PASSWORD = 'a password of the tests'
const CLOCK = pathToFileURL(resolve(import.meta.dirname, 'shifted-clock.mjs')).href

/** An installation whose repository is a bucket that keeps versions, and whose clock goes as the test says. */
export class AttackedWorkspace {
  readonly dir = mkdtempSync(join(tmpdir(), 'lifeboat-attacked-'))
  readonly password = PASSWORD
  readonly #server: BucketServer
  readonly #clock: { shiftMs: number }

  private constructor(server: BucketServer, clock: { shiftMs: number }) {
    this.#server = server
    this.#clock = clock
  }

  static async start(): Promise<AttackedWorkspace> {
    const clock = { shiftMs: 0 }
    const server = await startVersionedS3(() => new Date(Date.now() + clock.shiftMs))
    const workspace = new AttackedWorkspace(server, clock)
    mkdirSync(join(workspace.dir, 'docs'))
    writeFileSync(join(workspace.dir, 'password'), PASSWORD, { mode: 0o600 })
    writeFileSync(
      join(workspace.dir, 'lifeboat.yaml'),
      `repositories:\n  main: { url: "s3:${server.origin}/kept/shop", passwordFile: ./password }\nsources:\n  docs: { kind: files, path: ./docs }\n`,
    )
    return workspace
  }

  close(): void {
    this.#server.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  path(...names: readonly string[]): string {
    return join(this.dir, ...names)
  }

  /** From now on it is this time, here and on the server; it goes on as time does. */
  setTime(text: string): void {
    this.#clock.shiftMs = Date.parse(text) - Date.now()
  }

  async try(...words: readonly string[]): Promise<CommandResult> {
    return await runLifeboat(words, { cwd: this.dir, env: this.#environment })
  }

  /** A command on another machine, by whoever has stolen the bucket's key and the password. Throws unless it ends with 0. */
  async attack(...words: readonly string[]): Promise<void> {
    const dir = this.path('attacker')
    mkdirSync(dir)
    const env = { ...this.#environment, LIFEBOAT_PASSWORD: PASSWORD, XDG_STATE_HOME: dir }
    const args = [...words, '--repo', `s3:${this.#server.origin}/kept/shop`]
    await lifeboat(args, { cwd: dir, env })
  }

  /** One in a folder. */
  addRepository(name: string): void {
    const file = this.path('lifeboat.yaml')
    const line = `  ${name}: { url: ./${name}, passwordFile: ./password }\n`
    writeFileSync(file, readFileSync(file, 'utf8').replace('sources:', `${line}sources:`))
  }

  get #environment(): Readonly<Record<string, string | undefined>> {
    return {
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
      NODE_OPTIONS: `--import ${CLOCK}`,
      SHIFT_MS: String(this.#clock.shiftMs),
      TZ: 'UTC',
      XDG_STATE_HOME: undefined,
    }
  }

  /** Throws unless it ends with 0. Gives stdout. */
  async run(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...words)
    if (code !== 0) throw new Error(`lifeboat ${words.join(' ')} ended with ${code}\n${stderr}${stdout}`)
    return stdout
  }

  /** What it prints must be as documented. */
  async json<Answer>(...words: readonly string[]): Promise<Answer> {
    return documentedOutput(commandOf(words), await this.run(...words, '--json')) as Answer
  }

  /** Of all objects that the bucket ever had. */
  countVersions(): number {
    return this.#server.bucket.keys('').reduce((sum, [, versions]) => sum + versions.length, 0)
  }

  /** The bucket, for whoever has its key. */
  openStorage(): Promise<Storage> {
    return openTestS3(`s3:${this.#server.origin}/kept/shop`)
  }

  /** Whoever has the password too makes a snapshot that looks newer than all others. */
  async addBogusSnapshot(time: Date): Promise<string> {
    const storage = await this.openStorage()
    const options = { ...engineOptions(systemClock), password: new Secret(PASSWORD) }
    const repository = await openRepository(storage, options)
    try {
      const tags = ['lifeboat', 'source:docs', 'kind:files', 'type:full', 'run:bogus']
      return (await backUp(repository, { junk: Buffer.from('junk') }, undefined, { time, tags })).id
    } finally {
      await repository.close()
    }
  }

  /** Deletes all keys and packs, and puts something else in the place of `config`. */
  async destroy(): Promise<void> {
    const storage = await this.openStorage()
    try {
      await storage.save('config', Buffer.from('your data is ours'))
      for (const prefix of ['keys/', 'data/', 'snapshots/']) {
        for (const key of await collect(storage.listKeys(prefix))) await storage.remove(key)
      }
    } finally {
      await storage.close()
    }
  }
}
