import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type CommandResult, mustRun, runCommand } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.js')
const [ALICE, BOB, TEAM] = [54_321, 54_322, 54_400]
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('only root can be several users: their tests are skipped')

/** Lifeboat as a user of the team, or as root for whoever is at home there, with the strictest umask. */
class Person {
  readonly home: string
  readonly #uid: number
  readonly #sudo: boolean

  constructor(home: string, uid: number, sudo = false) {
    this.home = home
    this.#uid = uid
    this.#sudo = sudo
  }

  /** Gives the person a home with a file in it, and a configuration for a repository. */
  moveIn(repository: string): void {
    mkdirSync(join(this.home, 'docs'), { recursive: true })
    writeFileSync(join(this.home, 'docs/file.txt'), `of ${this.#uid}`)
    writeFileSync(join(this.home, 'password'), 'a password of the tests', { mode: 0o600 })
    writeFileSync(
      join(this.home, 'lifeboat.yaml'),
      `repositories:\n  main: { url: ${repository}, passwordFile: ./password }\n` +
        `sources:\n  docs-${this.#uid}: { kind: files, path: ./docs }\n`,
    )
    for (const name of ['.', 'docs', 'docs/file.txt', 'password', 'lifeboat.yaml']) {
      chownSync(join(this.home, name), this.#uid, this.#uid)
    }
  }

  async try(...args: string[]): Promise<CommandResult> {
    const become = ['setpriv', `--reuid=${this.#uid}`, `--regid=${this.#uid}`, `--groups=${TEAM}`]
    const words = ['sh', '-c', 'umask 077; exec "$@"', 'sh', process.execPath, BIN, ...args]
    const [command = '', ...rest] = this.#sudo ? words : [...become, ...words]
    const env = { HOME: this.home, XDG_CACHE_HOME: undefined, SUDO_UID: this.#sudo ? String(this.#uid) : undefined }
    return runCommand(command, rest, { cwd: this.home, env })
  }

  /** Throws with what it said where it did not succeed. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...args)
    if (code !== 0) throw new Error(`${args.join(' ')} as ${this.#uid}: ${code}\n${stderr}${stdout}`)
    return stdout + stderr
  }
}

describe.skipIf(!isRoot)('one repository of several users', () => {
  test("a backup by root into a user's repository keeps the user from nothing, and doctor mends what did", async () => {
    const dir = openDir()
    const alice = new Person(join(dir, 'alice'), ALICE)
    const root = new Person(alice.home, ALICE, true)
    const repository = join(alice.home, 'backups')
    alice.moveIn('./backups')
    await root.run('init')
    await root.run('backup')
    await alice.run('backup')
    await root.run('forget', '--keep-last', '1', '--prune')
    await alice.run('check', '--read-data')
    await alice.run('prune', '--max-unused', '0%')
    expect(await alice.run('doctor')).not.toContain('another user')

    // What an older program, or cp as root, left there.
    const [folder = ''] = readdirSync(join(repository, 'data'))
    await mustRun('chown', ['-R', '0:0', join(repository, 'data', folder), join(repository, 'snapshots')])
    chmodSync(join(repository, 'snapshots'), 0o700)
    expect(await alice.try('backup')).toMatchObject({ code: 1, stderr: expect.stringContaining('lifeboat doctor') })
    const hint = /As root run: (chown -R 54321:54321 \S+)/.exec((await alice.try('doctor')).stdout)?.[1]
    expect(hint).toBe(`chown -R ${ALICE}:${ALICE} ${repository}`)
    await mustRun('sh', ['-c', hint ?? ''])
    expect(await alice.run('doctor')).not.toContain('another user')
    await alice.run('backup')
  })

  test('a folder that a group shares is shared by what is made in it', async () => {
    const dir = openDir()
    const [alice, bob] = [new Person(join(dir, 'alice'), ALICE), new Person(join(dir, 'bob'), BOB)]
    const shared = join(dir, 'shared')
    mkdirSync(shared)
    chownSync(shared, 0, TEAM)
    chmodSync(shared, 0o2770)
    const repository = join(shared, 'backups')
    for (const person of [alice, bob]) person.moveIn(repository)
    await alice.run('init')
    for (const person of [alice, bob, new Person(alice.home, ALICE, true)]) await person.run('backup')
    await bob.run('check', '--read-data')
    await bob.run('forget', '--keep-last', '1', '--prune', '--max-unused', '0%')
    await alice.run('backup')
    expect(await bob.run('doctor')).not.toContain('another user')
  })
})

/** One that everybody may walk through. */
function openDir(): string {
  const dir = makeTempDir()
  chmodSync(dir, 0o755)
  return dir
}
