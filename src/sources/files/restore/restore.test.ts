import { execFileSync } from 'node:child_process'
import { type BigIntStats, readdirSync } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../../test/helpers/drained-snapshot.ts'
import { type HandmadeNode, handmade } from '../../../../test/helpers/handmade-snapshot.ts'
import { withoutPrivileges } from '../../../../test/helpers/unprivileged.ts'
import { findTool } from '../../../base/process.ts'
import type { RestoreOutcome, RestoreRequest, SnapshotReader, Source } from '../../source.ts'
import { createFilesSource } from '../files-source.ts'
import { filesOptions } from '../options.ts'
import { fittingMode } from './metadata.ts'
import { restoreFolder } from './restore.ts'
import { splitDevice } from './special-files.ts'
import { restoreTimes, sameTime } from './times.ts'

let dir = ''
let live = ''
let out = ''

beforeEach(async () => {
  dir = await makeTempDir('lifeboat-restore-')
  await chmod(dir, 0o777)
  live = join(dir, 'live')
  out = join(dir, 'out')
  await mkdir(live)
})

afterEach(async () => {
  execFileSync('chmod', ['-R', 'u+rwX', dir])
  await removeDir(dir)
})

const source = (): Source => createFilesSource('docs', filesOptions.parse({ path: live }), { baseDir: dir })
const capture = (): Promise<DrainedSnapshot> => drain(source(), dir)

async function restore(snapshot: SnapshotReader, options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  const context = await makeContext(dir)
  const request = { snapshot, target: out, force: false, delta: true, checks: true, include: [] }
  return await restoreFolder({ ...context, ...request, ...options })
}

/** All a person can see of a folder, one line an entry; its times apart, since they come back rounded. */
async function describeTree(root: string): Promise<{ lines: string[]; times: bigint[] }> {
  const lines: string[] = []
  const times: bigint[] = []
  const inodes = new Map<bigint, string>()
  const visit = async (raw: string): Promise<void> => {
    const path = Buffer.from(raw, 'latin1')
    const there = await lstat(path, { bigint: true })
    const rest = raw.slice(root.length)
    times.push(there.mtimeNs)
    const first = inodes.get(there.ino) ?? rest
    inodes.set(there.ino, first)
    lines.push(
      [rest, describeStat(there), first === rest ? '' : `same as ${first}`, await contentOf(path, there)].join('|'),
    )
    if (!there.isDirectory()) return
    for (const name of (await readdir(path, { encoding: 'latin1' })).sort()) await visit(`${raw}/${name}`)
  }
  await visit(root)
  return { lines, times }
}

function describeStat(there: BigIntStats): string {
  return [there.mode.toString(8), there.uid, there.gid, there.isDirectory() ? '' : there.size].join(' ')
}

async function contentOf(path: Buffer, there: BigIntStats): Promise<string> {
  if (there.isSymbolicLink()) return `-> ${await readlink(path)}`
  return there.isFile() ? (await readFile(path)).toString('base64') : ''
}

describe('a target', () => {
  it('takes one restore at a time, and a second one does not disturb it', async () => {
    await writeFile(join(live, 'file'), 'content')
    const { reader } = await capture()
    const second: unknown[] = []
    const during: SnapshotReader = {
      ...reader,
      restoreFiles: async files => {
        second.push(await restore(reader, { force: true }).catch((error: unknown) => error))
        return await reader.restoreFiles(files)
      },
    }
    await restore(during)
    expect(second).toMatchObject([{ code: 'target-in-use' }])
    expect(await readFile(join(out, 'file'), 'utf8')).toBe('content')
  })

  it('of a path that is too long is refused', async () => {
    await writeFile(join(live, 'file'), 'content')
    const { reader } = await capture()
    const error = await restore(reader, { target: join(dir, 'x'.repeat(256)) }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'target-invalid',
      message: expect.stringMatching(/^the path is too long/) as string,
    })
  })
})

describe('a round trip', () => {
  it('brings back types, content, links, modes, times and names', async () => {
    await mkdir(join(live, 'sub/read-only'), { recursive: true })
    await writeFile(join(live, 'sub/read-only/file'), 'x')
    await writeFile(join(live, 'empty'), '')
    await writeFile(join(live, 'program'), 'run', { mode: 0o755 })
    await chmod(join(live, 'program'), 0o6755)
    await link(join(live, 'program'), join(live, 'sub/same-program'))
    await symlink('../program', join(live, 'sub/link'))
    await symlink('dangling\n', join(live, 'sub/dangling'))
    execFileSync('mkfifo', ['-m', '640', join(live, 'pipe')])
    await writeFile(Buffer.concat([Buffer.from(`${live}/odd-`), Buffer.from([0xff, 0x0a, 0x5c])]), 'odd')
    execFileSync('touch', ['-h', '-d', '@1234567890.123456789', join(live, 'sub/link'), join(live, 'program')])
    execFileSync('touch', ['-d', '@-86400', join(live, 'empty')])
    await chmod(join(live, 'sub/read-only/file'), 0o400)
    await chmod(join(live, 'sub/read-only'), 0o555)
    await utimes(join(live, 'sub'), 1_600_000_000, 1_600_000_000)
    await chmod(live, 0o2750)
    const before = await describeTree(live)
    const snapshot = await capture()
    const outcome = await restore(snapshot.reader)
    const after = await describeTree(out)
    expect(after.lines).toEqual(before.lines)
    const isExact = (await findTool('perl')) !== undefined
    const wrong = after.times.filter((ns, index) => {
      const wanted = before.times[index] ?? 0n
      return isExact ? ns !== wanted : !sameTime(ns, wanted)
    })
    expect(wrong).toEqual([])
    expect(outcome).toMatchObject({ files: 5, totalBytes: 1 + 0 + 3 + 3 + 3, findings: [] })
    expect(outcome.checks.map(check => check.passed)).toEqual([true, true, true])
  })

  it('brings back extended attributes and ACLs', async ctx => {
    if ((await findTool('setfattr')) === undefined) ctx.skip('the package attr is not installed')
    const odd = Buffer.concat([Buffer.from(`${live}/odd-`), Buffer.from([0xff, 0x0a])])
    await writeFile(odd, 'odd', { mode: 0o444 })
    await writeFile(join(live, 'plain'), 'x')
    await mkdir(join(live, 'folder'))
    const stdin = `# file: ${live}/odd-\\377\\012\nuser.note=0s${Buffer.from('a\nb\0c').toString('base64')}\n\n# file: ${live}/folder\nuser.empty=0s\n`
    try {
      await chmod(odd, 0o644)
      execFileSync('setfattr', ['--restore=-'], { input: stdin, stdio: ['pipe', 'pipe', 'pipe'] })
      await chmod(odd, 0o444)
    } catch {
      ctx.skip('this file system keeps no attributes')
    }
    const { entries, reader } = await capture()
    const attributes = entries.map(({ node }) => [node.name, node.extendedAttributes?.map(({ name }) => name)])
    expect(Object.fromEntries(attributes)).toEqual({
      '': undefined,
      folder: ['user.empty'],
      'odd-\udcff\n': ['user.note'],
      plain: undefined,
    })
    await restore(reader)
    const again = await drain(createFilesSource('docs', filesOptions.parse({ path: out }), { baseDir: dir }), dir)
    const values = (list: typeof entries): unknown[] => list.map(({ path, node }) => [path, node.extendedAttributes])
    expect(values(again.entries)).toEqual(values(entries))
    expect((await stat(Buffer.from(`${out}/odd-`.concat('\xff\n'), 'latin1'))).mode & 0o777).toBe(0o444)
  })

  it('works on folders that close themselves, for a user without privileges', async () => {
    await mkdir(join(live, 'closed'))
    await writeFile(join(live, 'closed/file'), 'x')
    await chmod(join(live, 'closed/file'), 0o444)
    await withoutPrivileges(dir, async () => {
      const snapshot = await capture()
      const closed = snapshot.entries.find(entry => entry.path === 'closed')
      Object.assign(closed?.node ?? {}, { mode: 0o000 })
      await restore(snapshot.reader)
      expect((await stat(join(out, 'closed'))).mode & 0o777).toBe(0)
      await restore(snapshot.reader, { force: true })
      expect((await stat(join(out, 'closed'))).mode & 0o777).toBe(0)
      await chmod(join(out, 'closed'), 0o700)
      expect((await stat(join(out, 'closed/file'))).mode & 0o777).toBe(0o444)
    })
  })

  it('gives nobody a program that runs as them', () => {
    const node = { name: 'x', type: 'file', mode: 0o6755, mtimeNs: 0n, uid: 0, gid: 0 } as const
    expect(fittingMode(node, { uid: 0, groups: new Set([0]) })).toBe(0o6755)
    expect(fittingMode(node, { uid: 1000, groups: new Set([1000]) })).toBe(0o755)
    expect(fittingMode({ ...node, uid: 1000, gid: 1000 }, { uid: 1000, groups: new Set([1000]) })).toBe(0o6755)
  })

  it('tells a user without privileges that owners are lost', async () => {
    await withoutPrivileges(dir, async () => {
      const outcome = await restore(handmade({ theirs: { uid: 4_000_000, data: 'x' } }))
      expect(outcome.findings).toMatchObject([{ code: 'owner-not-restored', severity: 'info' }])
      expect(await readFile(join(out, 'theirs'), 'utf8')).toBe('x')
    })
  })

  it.each([[1_700_000_000_999_999_999n], [1_700_000_000_000_000_001n], [123n], [0n], [4_000_000_000_123_456_789n]])(
    'sets the time %i without help, rounded down',
    async mtimeNs => {
      const path = join(live, 'file')
      await writeFile(path, 'x')
      restoreTimes(path, { name: 'file', type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs })
      const set = (await lstat(path, { bigint: true })).mtimeNs
      expect(set).toBeLessThanOrEqual(mtimeNs)
      expect(sameTime(set, mtimeNs)).toBe(true)
    },
  )

  it('splits device numbers as the system does', () => {
    expect(splitDevice(0x0103n)).toEqual({ major: 1n, minor: 3n })
    expect(splitDevice(0x1234_5678_9abcn)).toEqual({ major: 0x189an, minor: 0x2345_67bcn })
  })

  it('leaves sockets out and says so', async () => {
    const outcome = await restore(handmade({ listen: { type: 'socket' } }))
    expect(outcome.findings).toMatchObject([{ code: 'socket-not-restored', severity: 'info' }])
  })
})

const rootNode = { name: '', type: 'dir', mode: 0o750, mtimeNs: 0n, uid: 65_534, gid: 65_534 } as const

describe('an existing target', () => {
  it('must be empty without force', async () => {
    await mkdir(out)
    await restore(handmade({ a: { data: 'x' } }))
    await expect(restore(handmade({ a: { data: 'y' } }))).rejects.toMatchObject({ code: 'target-exists' })
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('x')
  })

  it('keeps with force what is not in the snapshot', async () => {
    await mkdir(join(out, 'sub'), { recursive: true })
    await writeFile(join(out, 'sub/mine'), 'mine')
    await writeFile(join(out, 'a'), 'other content', { mode: 0o400 })
    await symlink('/etc', join(out, 'link'))
    await writeFile(join(out, 'folder'), 'a file where a folder belongs')
    await restore(
      handmade([
        ['a', { data: 'from the snapshot' }],
        ['folder', { type: 'dir', mode: 0o755 }],
        ['folder/x', { data: 'x' }],
        ['link', { type: 'symlink', linkTarget: 'a' }],
        ['sub', { type: 'dir', mode: 0o755 }],
      ]),
      { force: true },
    )
    expect(await readFile(join(out, 'sub/mine'), 'utf8')).toBe('mine')
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('from the snapshot')
    expect(await readFile(join(out, 'folder/x'), 'utf8')).toBe('x')
    expect(await readlink(join(out, 'link'))).toBe('a')
  })

  it('asks for a delta where a file is there, and only with force', async () => {
    const snapshot = handmade({ a: { data: 'x' }, b: { data: 'y' } })
    await mkdir(out)
    await writeFile(join(out, 'a'), 'X')
    await restore(snapshot, { force: true })
    expect(snapshot.asked.map(({ path, delta }) => [path, delta])).toEqual([
      [join(out, 'a'), true],
      [join(out, 'b'), false],
    ])
  })

  it('never removes a folder: a file that belongs there fails the checks', async () => {
    await mkdir(join(out, 'a/full'), { recursive: true })
    const outcome = await restore(handmade({ a: { data: 'x' }, b: { data: 'y' } }), { force: true })
    expect(outcome.findings).toMatchObject([{ code: 'entry-not-restored', severity: 'error', subject: join(out, 'a') }])
    expect(outcome.checks.every(check => check.passed)).toBe(false)
    expect(await readFile(join(out, 'b'), 'utf8')).toBe('y')
  })

  it('may be a folder that somebody else made for us', async ctx => {
    if (process.geteuid?.() !== 0) ctx.skip('only root can make a folder that belongs to somebody else')
    const target = join(dir, 'theirs')
    await withoutPrivileges(dir, async () => {
      process.seteuid?.(0)
      await mkdir(target)
      await chmod(target, 0o777)
      process.seteuid?.(65_534)
      const snapshot = { ...handmade({ a: { data: 'x' } }), root: rootNode }
      const outcome = await restore(snapshot, { target })
      expect(await readFile(join(target, 'a'), 'utf8')).toBe('x')
      expect(outcome.findings).toMatchObject([{ code: 'metadata-not-restored', severity: 'warning', subject: target }])
    })
    expect((await stat(target)).mode & 0o777).toBe(0o777)
  })

  it('may be a symlink to a folder, not to nothing and not a file', async () => {
    await mkdir(join(dir, 'real'))
    await symlink(join(dir, 'real'), out)
    await restore(handmade({ a: { data: 'x' } }))
    expect(await readFile(join(dir, 'real/a'), 'utf8')).toBe('x')
    await symlink(join(dir, 'nothing'), join(dir, 'dangling'))
    for (const target of [join(dir, 'dangling'), join(dir, 'real/a')]) {
      await expect(restore(handmade({}), { target, force: true })).rejects.toMatchObject({ code: 'target-invalid' })
    }
  })
})

describe('a part of a snapshot', () => {
  const nodes: ReadonlyArray<readonly [string, HandmadeNode]> = [
    ['a', { type: 'dir', mode: 0o750, mtimeNs: 5n * 10n ** 17n }],
    ['a/b', { type: 'dir', mode: 0o755 }],
    ['a/b/x', { data: 'x' }],
    ['a/b/y', { data: 'y' }],
    ['a/bc', { data: 'bc' }],
    ['z', { data: 'z' }],
  ]

  it('comes with the folders around it and their metadata', async () => {
    const outcome = await restore(handmade(nodes), { include: ['/a/b/x', './z'] })
    expect(await readdir(out, { recursive: true })).toEqual(['a', 'z', 'a/b', 'a/b/x'])
    expect((await stat(join(out, 'a'))).mode & 0o777).toBe(0o750)
    expect((await stat(join(out, 'a'))).mtimeMs).toBe(5e11)
    expect(outcome.checks.every(check => check.passed)).toBe(true)
  })

  it('takes whole folders, and not what only begins like them', async () => {
    await restore(handmade(nodes), { include: ['a/b/'] })
    expect((await readdir(out, { recursive: true })).sort()).toEqual(['a', 'a/b', 'a/b/x', 'a/b/y'])
  })

  it('says what is not there; nothing at all is an error that leaves no trace', async () => {
    const some = await restore(handmade(nodes), { include: ['z', 'gone'] })
    expect(some.findings).toMatchObject([{ code: 'path-not-in-snapshot', severity: 'error', subject: 'gone' }])
    const target = join(dir, 'other')
    await expect(restore(handmade(nodes), { target, include: ['gone'] })).rejects.toMatchObject({ code: 'not-found' })
    expect(readdirSync(dir)).not.toContain('other')
  })
})
