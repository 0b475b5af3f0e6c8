import { execFileSync } from 'node:child_process'
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DrainedSnapshot, DrainOptions } from '../../../test/helpers/drained-snapshot.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../../../test/helpers/drained-snapshot.ts'
import { withoutPrivileges } from '../../../test/helpers/unprivileged.ts'
import { printableName } from '../../base/bytes.ts'
import { isAppError } from '../../base/errors.ts'
import type { CaptureEntry, Source } from '../source.ts'
import { createFilesSource } from './files-source.ts'
import { filesOptions } from './options.ts'

let dir = ''
let live = ''

beforeEach(async () => {
  dir = await makeTempDir('lifeboat-files-')
  await chmod(dir, 0o777)
  live = join(dir, 'live')
  await mkdir(live)
})

afterEach(async () => {
  execFileSync('chmod', ['-R', 'u+rwX', dir])
  await removeDir(dir)
})

function source(options: Record<string, unknown> = {}): Source {
  return createFilesSource('docs', filesOptions.parse({ path: 'live', ...options }), { baseDir: dir })
}

const capture = (options: Record<string, unknown> = {}, how: DrainOptions = {}): Promise<DrainedSnapshot> =>
  drain(source(options), dir, how)

const paths = (snapshot: DrainedSnapshot): string[] =>
  snapshot.entries.map(entry => entry.path).filter(path => path !== '')

async function put(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(join(live, file, '..'), { recursive: true })
    if (!file.endsWith('/')) await writeFile(join(live, file), `content of ${file}`)
    else await mkdir(join(live, file), { recursive: true })
  }
}

const codes = (snapshot: DrainedSnapshot): string[] => snapshot.summary.findings.map(finding => finding.code)

/** Captures, and does something at the moment when an entry is given out but not yet opened. */
async function captureWhile(meddle: (entry: CaptureEntry) => Promise<void>): Promise<{
  readonly read: Map<string, string>
  readonly findings: readonly { code: string; severity: string; subject: string }[]
  readonly complete: boolean
}> {
  const running = await source().capture({
    ...(await makeContext(dir)),
    type: 'full',
    parent: undefined,
    excludePaths: [],
  })
  const read = new Map<string, string>()
  for await (const entry of running.entries()) {
    await meddle(entry)
    try {
      const content = await entry.open?.()
      if (content === undefined) continue
      const buffer = Buffer.alloc(1000)
      read.set(entry.path, buffer.toString('utf8', 0, await content.read(buffer)))
      await content.close()
    } catch (error) {
      if (!isAppError(error, 'entry-lost')) throw error
    }
  }
  const { findings, complete } = await running.finish()
  await running.close()
  return { read, findings: findings.filter(finding => finding.severity !== 'info'), complete }
}

describe('what is captured', () => {
  it('walks depth first, each folder in the byte order of its names', async () => {
    await put('b/x', 'b.c', 'b-', 'B', 'é', 'z/deep/er/leaf', '.hidden', 'a b', 'empty/')
    const order = ['.hidden', 'B', 'a b', 'b', 'b/x', 'b-', 'b.c', 'empty']
    expect(paths(await capture())).toEqual([
      '.hidden',
      'B',
      'a b',
      'b',
      'b/x',
      'b-',
      'b.c',
      ...order.slice(7),
      'z',
      'z/deep',
      'z/deep/er',
      'z/deep/er/leaf',
      'é',
    ])
  })

  it('records type, permissions, times to the nanosecond, owner and inode', async () => {
    await put('program')
    await chmod(join(live, 'program'), 0o4751)
    execFileSync('touch', ['-d', '@1700000000.123456789', join(live, 'program')])
    execFileSync('mkfifo', [join(live, 'pipe')])
    await symlink('no/where', join(live, 'link'))
    const nodes = new Map((await capture()).entries.map(entry => [entry.path, entry.node]))
    const there = await lstat(join(live, 'program'), { bigint: true })
    expect(nodes.get('program')).toMatchObject({
      type: 'file',
      mode: 0o4751,
      mtimeNs: 1_700_000_000_123_456_789n,
      ctimeNs: there.ctimeNs,
      inode: there.ino,
      uid: userInfo().uid,
      user: userInfo().username,
    })
    expect(nodes.get('program')).not.toHaveProperty('links')
    expect(nodes.get('program')).not.toHaveProperty('atimeNs')
    expect(nodes.get('pipe')).toMatchObject({ type: 'fifo' })
    expect(nodes.get('link')).toMatchObject({ type: 'symlink', linkTarget: 'no/where' })
    expect(nodes.get('')).toMatchObject({ type: 'dir' })
  })

  it('does not follow symlinks, but the configured path itself', async () => {
    await put('inside')
    await mkdir(join(dir, 'elsewhere'))
    await writeFile(join(dir, 'elsewhere/secret'), 'x')
    await symlink(join(dir, 'elsewhere'), join(live, 'way-out'))
    await symlink(live, join(dir, 'entrance'))
    expect(paths(await capture({ path: 'entrance' }))).toEqual(['inside', 'way-out'])
  })

  it('records hard links by device and inode', async () => {
    await put('one')
    await link(join(live, 'one'), join(live, 'two'))
    const [one, two] = (await capture()).entries.filter(entry => entry.path !== '').map(entry => entry.node)
    expect(one).toMatchObject({ links: 2, deviceId: (await stat(live, { bigint: true })).dev })
    expect(two).toMatchObject({ links: 2, inode: one?.inode, deviceId: one?.deviceId })
  })

  it('keeps names that are not UTF-8 apart', async () => {
    for (const bytes of [[0xff], [0xfe], [0xc3], [0xed, 0xb3, 0xbf]]) {
      await writeFile(Buffer.concat([Buffer.from(`${live}/n-`), Buffer.from(bytes)]), `${bytes}`)
    }
    const snapshot = await capture()
    expect(paths(snapshot).map(printableName)).toEqual(['n-\\xc3', 'n-\\xed\\xb3\\xbf', 'n-\\xfe', 'n-\\xff'])
    expect(snapshot.summary.complete).toBe(true)
  })

  it('takes a single file', async () => {
    await writeFile(join(dir, 'one.conf'), 'a=b')
    const snapshot = await capture({ path: 'one.conf' })
    expect(snapshot.entries.map(({ path, node }) => [path, node.type, node.sizeBytes])).toEqual([
      ['one.conf', 'file', 3],
    ])
  })

  it('is no longer than the size at opening, however fast a log grows', async () => {
    await put('log')
    const { read, findings } = await captureWhile(async entry => {
      const open = entry.open
      if (!open) return
      Object.assign(entry, {
        open: async () => {
          const content = await open()
          await writeFile(join(live, 'log'), 'more and more', { flag: 'a' })
          return content
        },
      })
    })
    expect(read.get('log')).toBe('content of log')
    expect(findings).toMatchObject([{ code: 'file-changed', severity: 'warning', subject: join(live, 'log') }])
  })
})

describe('what is read again', () => {
  it('nothing that has the size, times and inode of before', async () => {
    await put('a', 'b/c')
    const first = await capture()
    const second = await capture({}, { type: 'incremental', parent: first })
    expect(second.bytesRead).toBe(0)
    expect(second.entries.filter(entry => entry.file).map(entry => entry.unchanged)).toEqual([true, true])
    const full = await capture({}, { type: 'full', parent: first })
    expect(full.bytesRead).toBe(first.bytesRead)
  })

  it('what was changed and had its times put back', async () => {
    await put('a')
    const path = join(live, 'a')
    await utimes(path, 1000, 1000)
    const first = await capture()
    await writeFile(path, 'CONTENT OF a')
    await utimes(path, 1000, 1000)
    expect((await capture({}, { type: 'incremental', parent: first })).entries.at(-1)?.unchanged).toBe(false)
  })

  it('what was replaced by a file with the same times', async () => {
    await put('a', 'b')
    await utimes(join(live, 'a'), 1000, 1000)
    await utimes(join(live, 'b'), 1000, 1000)
    const first = await capture()
    await rename(join(live, 'b'), join(live, 'a'))
    const second = await capture({}, { type: 'incremental', parent: first })
    expect(second.entries.at(-1)).toMatchObject({ path: 'a', unchanged: false })
  })

  it('what was changed within the same tick of the clock as before', async () => {
    const path = join(live, 'busy')
    for (let round = 0; round < 12; round++) {
      await writeFile(path, 'old')
      await utimes(path, 1000, 1000)
      const first = await capture()
      await writeFile(path, 'new')
      await utimes(path, 1000, 1000)
      const second = await capture({}, { type: 'incremental', parent: first })
      const stored = second.entries.at(-1)?.file ?? ''
      expect(await readFile(stored, 'utf8')).toBe('new')
    }
  })
})

describe('faults on the way', () => {
  it('a file that vanishes is a finding, the rest goes on', async () => {
    await put('a', 'b', 'c')
    const { read, findings, complete } = await captureWhile(async ({ path }) => {
      if (path === 'b') await rm(join(live, 'b'))
    })
    expect([...read.keys()]).toEqual(['a', 'c'])
    expect(findings).toMatchObject([{ code: 'file-vanished', severity: 'warning', subject: join(live, 'b') }])
    expect(complete).toBe(false)
  })

  it.each([
    ['a symlink', (path: string) => symlink('/etc/passwd', path)],
    ['a fifo', (path: string) => execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdir(path)],
  ])('a file that became %s is not read', async (_, replace) => {
    await put('a', 'b', 'c')
    const { read, findings, complete } = await captureWhile(async ({ path }) => {
      if (path !== 'b') return
      await rm(join(live, 'b'))
      await replace(join(live, 'b'))
    })
    expect([...read.keys()]).toEqual(['a', 'c'])
    expect(findings).toMatchObject([{ code: 'file-unreadable', severity: 'error', subject: join(live, 'b') }])
    expect(complete).toBe(false)
  })

  it('a file that was replaced before it is opened is captured as it is then', async () => {
    await put('b')
    const running = await source().capture({
      ...(await makeContext(dir)),
      type: 'full',
      parent: undefined,
      excludePaths: [],
    })
    for await (const entry of running.entries()) {
      if (entry.path !== 'b') continue
      await writeFile(join(dir, 'newer'), 'newer and longer content')
      await rename(join(dir, 'newer'), join(live, 'b'))
      await (await entry.open?.())?.close()
      expect(entry.meta.inode).toBe((await stat(join(live, 'b'), { bigint: true })).ino)
    }
    expect((await running.finish()).complete).toBe(true)
  })

  it('what may not be read is a finding, the rest goes on', async () => {
    await put('closed/inside', 'list-only/x', 'open', 'secret')
    await chmod(join(live, 'closed'), 0o311)
    await chmod(join(live, 'list-only'), 0o444)
    await chmod(join(live, 'secret'), 0o000)
    await withoutPrivileges(dir, async () => {
      const snapshot = await capture()
      expect(paths(snapshot)).toEqual(['closed', 'list-only', 'open'])
      expect(snapshot.summary.complete).toBe(false)
      const lost = snapshot.summary.findings.filter(finding => finding.severity === 'error')
      expect(lost.map(finding => finding.subject)).toEqual(
        ['closed', 'list-only/x', 'secret'].map(path => join(live, path)),
      )
    })
  })

  it('a root that may not be read is unreachable', async () => {
    await chmod(live, 0o000)
    await withoutPrivileges(dir, async () => {
      await expect(capture()).rejects.toMatchObject({ code: 'source-unreachable' })
    })
    await chmod(live, 0o700)
  })

  it('a root that is no folder is invalid', async () => {
    execFileSync('mkfifo', [join(dir, 'pipe')])
    await expect(capture({ path: 'pipe' })).rejects.toMatchObject({ code: 'source-invalid' })
  })

  it('a thousand findings are told as a hundred and their number', async () => {
    await Promise.all(Array.from({ length: 250 }, (_, index) => writeFile(join(live, `f${index}`), 'x')))
    const { findings } = await captureWhile(async entry => {
      if (entry.path !== '') await rm(join(live, entry.path))
    })
    expect(findings).toHaveLength(101)
    expect(findings.at(-1)).toMatchObject({ code: 'file-vanished', subject: '150 more' })
  })

  it('a folder with an unfinished restore in it is captured, and said to be one', async () => {
    await put('a', '.lifeboat-restore')
    const snapshot = await capture()
    expect(paths(snapshot)).toEqual(['a'])
    expect(codes(snapshot)).toContain('restore-unfinished')
    expect(snapshot.summary.complete).toBe(false)
  })

  it('leaves no descriptor open', async () => {
    await put('a', 'b', 'c')
    await capture()
    const before = await readdir('/proc/self/fd')
    for (let round = 0; round < 5; round++) await capture()
    expect((await readdir('/proc/self/fd')).length).toBeLessThanOrEqual(before.length + 2)
  })
})
