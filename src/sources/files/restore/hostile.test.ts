import { link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeContext, makeTempDir, removeDir } from '../../../../test/helpers/drained-snapshot.ts'
import { handmade } from '../../../../test/helpers/handmade-snapshot.ts'
import type { RestoreOutcome, SnapshotReader } from '../../source.ts'
import { restoreFolder } from './restore.ts'

let dir = ''
let out = ''

beforeEach(async () => {
  dir = await makeTempDir('lifeboat-hostile-')
  out = join(dir, 'out')
})

afterEach(() => removeDir(dir))

async function restore(snapshot: SnapshotReader, options: { readonly force?: boolean } = {}): Promise<RestoreOutcome> {
  const request = { snapshot, target: out, force: false, delta: true, checks: true, include: [] }
  return await restoreFolder({ ...(await makeContext(dir)), ...request, ...options })
}

describe('a hostile snapshot or target', () => {
  let outside = ''

  beforeEach(async () => {
    outside = join(dir, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'precious'), 'untouched')
  })

  const untouched = async (): Promise<void> => {
    expect(await readdir(outside)).toEqual(['precious'])
    expect(await readFile(join(outside, 'precious'), 'utf8')).toBe('untouched')
  }

  it.each([
    ['..'],
    ['.'],
    ['../outside/new'],
    ['../outside/precious'],
    ['sub/../../outside/precious'],
    ['/etc/lifeboat-test'],
    ['zero\0byte'],
    ['sub//new'],
    ['not-there/new'],
    ['x'.repeat(256)],
    ['.lifeboat-restore'],
  ])('does not restore %j', async path => {
    const outcome = await restore(
      handmade([
        [path, { data: 'evil' }],
        ['zz', { data: 'good' }],
      ]),
    )
    expect(outcome.findings).toMatchObject([{ code: 'entry-rejected', severity: 'error' }])
    expect(await readdir(out)).toEqual(['zz'])
    await untouched()
  })

  it('does not take a name for a path', async () => {
    const outcome = await restore(handmade([['precious', { name: '../outside/precious', data: 'evil' }]]))
    expect(outcome.findings).toMatchObject([{ code: 'entry-rejected' }])
    await untouched()
  })

  it.each([
    ['symlink, then folder', ['symlink', 'dir']],
    ['folder, then symlink', ['dir', 'symlink']],
  ] as const)('does not write through a symlink of its own: %s', async (_, [first, second]) => {
    const outcome = await restore(
      handmade([
        ['a', { type: first, linkTarget: outside }],
        ['a', { type: second, linkTarget: outside }],
        ['a/precious', { data: 'evil' }],
      ]),
    )
    expect(outcome.findings.some(finding => finding.code === 'entry-rejected')).toBe(true)
    await untouched()
  })

  it('does not write through symlinks that lie in the target', async () => {
    await mkdir(out)
    await symlink(outside, join(out, 'folder'))
    await symlink(join(outside, 'precious'), join(out, 'precious'))
    const nodes = [
      ['folder', { type: 'dir', mode: 0o755 }],
      ['folder/precious', { data: 'new' }],
      ['precious', { data: 'new' }],
    ] as const
    await restore(handmade(nodes), { force: true })
    expect(await readFile(join(out, 'folder/precious'), 'utf8')).toBe('new')
    await untouched()
  })

  it('does not write through hard links that lie in the target', async () => {
    await mkdir(out)
    await link(join(outside, 'precious'), join(out, 'precious'))
    await restore(handmade({ precious: { data: 'new' } }), { force: true })
    expect(await readFile(join(out, 'precious'), 'utf8')).toBe('new')
    await untouched()
  })

  it('does not link files whose inodes lie', async () => {
    const shared = { inode: 7n, deviceId: 1n, links: 2 }
    await restore(
      handmade({ a: { ...shared, data: 'one', content: ['aa'] }, b: { ...shared, data: 'two', content: ['bb'] } }),
    )
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('one')
    expect(await readFile(join(out, 'b'), 'utf8')).toBe('two')
  })

  it('survives numbers that no system has', async () => {
    const outcome = await restore(
      handmade({
        a: { uid: -7, gid: 2 ** 40, mode: 0o177777, data: 'x' },
        b: { mtimeNs: 10n ** 30n, data: 'y' },
        c: { type: 'symlink', linkTarget: '' },
        d: { type: 'chardev', device: -1n },
      }),
    )
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('x')
    expect(await readFile(join(out, 'b'), 'utf8')).toBe('y')
    expect(outcome.findings.length).toBeGreaterThan(0)
  })
})
