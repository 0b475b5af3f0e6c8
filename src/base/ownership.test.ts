import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { readBelieved } from './believed-file.ts'
import { requireBelievedProgram } from './believed-program.ts'

const isRoot = process.geteuid?.() === 0
const [STRANGER, ANOTHER] = [12_345, 23_456]
const config = '/srv/app/lifeboat.yaml'
const reading = { what: 'the configuration', limitBytes: 100 }

let dir = ''
let file = ''
beforeEach(() => {
  const outer = makeTempDir()
  chmodSync(outer, 0o755)
  dir = join(outer, 'project')
  mkdirSync(dir, { mode: 0o755 })
  file = put('lifeboat.yaml')
})

function put(name: string, mode = 0o644): string {
  const path = join(dir, name)
  writeFileSync(path, 'x')
  chmodSync(path, mode)
  return path
}

async function read(path = file, anybody = false): Promise<string> {
  const { bytes } = await readBelieved(path, { ...reading, trust: { anybody, config } })
  return bytes.toString()
}

async function refusal(path = file): Promise<string> {
  const error: unknown = await read(path).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'config-untrusted',
    hint: expect.stringContaining(`--config ${config} --trust-config`),
  })
  return error instanceof Error ? error.message : ''
}

describe('a file that others could have written is not believed', () => {
  it.each([
    ['everyone', 0o666, /can be written by everyone/],
    ['everyone but its group', 0o646, /can be written by everyone/],
  ])('written by %s', async (_who, mode, why) => {
    chmodSync(file, mode)
    expect(await refusal()).toMatch(why)
    expect(await read(file, true)).toBe('x')
  })

  it('but one of ours is, wherever it lies: it is read as it was judged', async () => {
    chmodSync(dir, 0o777)
    expect(await read()).toBe('x')
    const link = join(dir, 'link')
    symlinkSync('lifeboat.yaml', link)
    expect(await read(link)).toBe('x')
  })

  it.runIf(isRoot)('of another user, or through a link of one', async () => {
    chownSync(file, STRANGER, STRANGER)
    expect(await refusal()).toContain(`belongs to user ${STRANGER}`)
    chownSync(file, 0, 0)
    const link = join(dir, 'link')
    symlinkSync(file, link)
    lchownSync(link, STRANGER, STRANGER)
    expect(await refusal(link)).toContain(`${link} belongs to user ${STRANGER}`)
  })

  it.runIf(isRoot)('that a group of others may write to; the owner’s own group is the owner', async () => {
    chmodSync(file, 0o664)
    expect(await read()).toBe('x')
    chownSync(file, 0, ANOTHER)
    expect(await refusal()).toContain(`can be written by group ${ANOTHER}`)
  })

  it.runIf(isRoot)('but root’s and, under sudo, the caller’s are', async () => {
    chownSync(dir, STRANGER, STRANGER)
    chownSync(file, STRANGER, STRANGER)
    chmodSync(file, 0o664)
    process.env['SUDO_UID'] = String(STRANGER)
    try {
      expect(await read()).toBe('x')
      chownSync(file, ANOTHER, ANOTHER)
      expect(await refusal()).toContain(`belongs to user ${ANOTHER}`)
    } finally {
      delete process.env['SUDO_UID']
    }
    chownSync(file, 0, 0)
    chownSync(dir, 0, 0)
    process.seteuid?.(STRANGER)
    try {
      expect(await read()).toBe('x')
    } finally {
      process.seteuid?.(0)
    }
  })
})

describe('programs', () => {
  const ask = (command: string[]): Promise<void> =>
    requireBelievedProgram(command, {
      what: 'the hook "after"',
      trust: { anybody: false, config },
      cwd: dir,
      searchPath: process.env['PATH'] ?? '',
    })

  it('are there, and ours, as are the scripts that an interpreter is given', async () => {
    put('stop.sh', 0o755)
    await ask(['./stop.sh'])
    await ask(['sh', 'stop.sh', '--now'])
    await ask(['sh', '-c', 'true'])
    chmodSync(join(dir, 'stop.sh'), 0o777)
    for (const command of [['./stop.sh'], ['sh', '-e', 'stop.sh'], ['env', 'A=b', './stop.sh']]) {
      await expect(ask(command)).rejects.toMatchObject({ code: 'config-untrusted' })
    }
    // It runs later, by its path: in such a folder others could exchange it.
    chmodSync(join(dir, 'stop.sh'), 0o755)
    for (const [mode, why] of [
      [0o777, /everyone/],
      [0o1777, undefined],
    ] as const) {
      chmodSync(dir, mode)
      if (why === undefined) await ask(['./stop.sh'])
      else await expect(ask(['./stop.sh'])).rejects.toThrow(why)
    }
    // What a program works on need not be ours: an application's database belongs to the application.
    await ask(['test', '-s', 'stop.sh'])
  })

  it.each([['./gone.sh'], ['no-such-program-here'], ['./lifeboat.yaml']])('%s cannot be run', async program => {
    await expect(ask([program])).rejects.toMatchObject({ code: 'tool-missing' })
  })
})

it('reads no more than it may', async () => {
  writeFileSync(file, 'x'.repeat(101))
  await expect(read()).rejects.toMatchObject({ code: 'EFBIG' })
  await expect(read('/dev/zero')).rejects.toMatchObject({ code: expect.stringMatching(/EFBIG|config-untrusted/) })
})
