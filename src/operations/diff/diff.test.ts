import { describe, expect, it } from 'vitest'
import { type Folder, MadeNode, TreeRepository } from '../../../test/helpers/tree-repository.ts'
import type { TreeNode } from '../../model/node.ts'
import { type Change, type DiffResult, diff } from './diff.ts'

const { signal } = new AbortController()

async function compare(
  before: Folder,
  after: Folder,
  options: { path?: string; metadata?: boolean } = {},
): Promise<{ changes: Change[]; result: DiffResult; loaded: number }> {
  const repository = new TreeRepository()
  const changes: Change[] = []
  const result = await diff({
    repository,
    before: repository.snapshot(before, 'app'),
    after: repository.snapshot(after, 'app'),
    path: options.path ?? '',
    metadata: options.metadata ?? false,
    signal,
    onChange: change => changes.push(change),
  })
  return { changes, result, loaded: repository.loadedTrees.length }
}

const told = (changes: readonly Change[]): string[] => changes.map(({ change, path }) => `${change} ${path}`)
const made = (node: Partial<TreeNode>, inside: string | Folder = 'same'): MadeNode => new MadeNode(node, inside)

const link = (linkTarget: string): MadeNode => made({ type: 'symlink', linkTarget })

describe('diff', () => {
  it('finds nothing between equal snapshots, and loads nothing below the root', async () => {
    const folder = { a: 'x', deep: { er: { leaf: 'y' } } }
    const { changes, result, loaded } = await compare(folder, folder)
    expect(changes).toEqual([])
    expect(result).toMatchObject({ changed: 0, newBlobs: { blobs: 0 }, goneBlobs: { blobs: 0 } })
    expect(loaded).toBe(2)
  })

  it('tells added, removed and changed in order, with what is below', async () => {
    const { changes, result } = await compare(
      { a: 'one', b: 'gone', dir: { gone: { x: '12345678' } }, same: { x: 'x' } },
      { a: 'two!', c: 'new', dir: { new: { y: 'yy', z: { zz: '' } } }, same: { x: 'x' } },
    )
    expect(told(changes)).toEqual([
      'content a',
      'removed b',
      'added c',
      'removed dir/gone',
      'removed dir/gone/x',
      'added dir/new',
      'added dir/new/y',
      'added dir/new/z',
      'added dir/new/z/zz',
    ])
    expect(changes[0]).toEqual({ path: 'a', change: 'content', type: 'file', sizeBefore: 3, sizeAfter: 4 })
    expect(result.added).toEqual({ files: 3, dirs: 2, others: 0, bytes: 5 })
    expect(result.removed).toEqual({ files: 2, dirs: 1, others: 0, bytes: 12 })
    expect(result.changed).toBe(1)
  })

  it('counts what blobs only one side holds', async () => {
    const { result } = await compare({ f: 'aaaabbbbcccc' }, { f: 'aaaaXXXXcccc', g: 'bbbb' })
    expect(result.newBlobs).toEqual({ blobs: 2, plainBytes: 4 + 100, storedBytes: 2 + 50 })
    // "bbbb" was moved to another file; the tree of the folder is another one.
    expect(result.goneBlobs).toEqual({ blobs: 1, plainBytes: 100, storedBytes: 50 })
  })

  it('tells a change of type, with all that goes and comes', async () => {
    const { changes } = await compare({ a: 'file', b: { x: 'x' } }, { a: { y: 'y' }, b: 'file' })
    expect(told(changes)).toEqual(['type a', 'added a/y', 'type b', 'removed b/x'])
  })

  it('tells changed metadata only where asked to', async () => {
    const before = { f: made({ mode: 0o600 }), d: made({ mode: 0o700 }, { x: 'x' }), t: made({ mtimeNs: 1n }) }
    const after = { f: made({ mode: 0o644 }), d: made({ mode: 0o755 }, { x: 'x' }), t: made({ mtimeNs: 2n }) }
    expect((await compare(before, after)).changes).toEqual([])
    const { changes, result } = await compare(before, after, { metadata: true })
    expect(told(changes)).toEqual(['metadata d', 'metadata f', 'metadata t'])
    expect(result).toMatchObject({ changed: 0, metadataChanged: 3 })
  })

  it.each([
    ['owner', { uid: 1 }, { uid: 2 }],
    ['group name', { group: 'a' }, { group: 'b' }],
    ['attributes', {}, { extendedAttributes: [{ name: 'user.x', value: Buffer.from('1') }] }],
  ])('sees another %s', async (_, before, after) => {
    const { changes } = await compare({ f: made(before) }, { f: made(after) }, { metadata: true })
    expect(told(changes)).toEqual(['metadata f'])
  })

  it('does not mind inodes, change times and the order of attributes', async () => {
    const [one, two] = ['1', '2'].map(name => ({ name, value: Buffer.from(name) }))
    if (one === undefined || two === undefined) throw new Error('no attributes')
    const before = { f: made({ inode: 1n, ctimeNs: 1n, extendedAttributes: [one, two] }) }
    const after = { f: made({ inode: 2n, ctimeNs: 2n, extendedAttributes: [two, one] }) }
    expect((await compare(before, after, { metadata: true })).changes).toEqual([])
  })

  it('sees where a symlink leads', async () => {
    expect(told((await compare({ l: link('a') }, { l: link('b') })).changes)).toEqual(['content l'])
  })

  it('points at content that changed though nobody wrote', async () => {
    const meta = { inode: 7n, ctimeNs: 7n }
    const { changes } = await compare({ f: made(meta, 'good') }, { f: made(meta, 'evil') })
    expect(changes).toMatchObject([{ change: 'content', unexplained: true }])
    const honest = await compare({ f: made(meta, 'good') }, { f: made({ ...meta, ctimeNs: 8n }, 'evil') })
    expect(honest.changes[0]).not.toHaveProperty('unexplained')
  })

  it('compares a part', async () => {
    const { changes } = await compare({ a: 'x', d: { e: 'x' } }, { a: 'y', d: { e: 'y' } }, { path: 'd' })
    expect(told(changes)).toEqual(['content d/e'])
    const file = await compare({ a: 'x', d: { e: 'x' } }, { a: 'y', d: { e: 'y' } }, { path: 'a' })
    expect(told(file.changes)).toEqual(['content a'])
    await expect(compare({ a: 'x' }, { b: 'x' }, { path: 'a' })).rejects.toMatchObject({ code: 'not-found' })
  })
})
