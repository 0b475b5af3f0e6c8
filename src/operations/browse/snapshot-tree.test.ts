import { describe, expect, it } from 'vitest'
import { type Folder, TreeRepository } from '../../../test/helpers/tree-repository.ts'
import { collect } from '../../base/collect.ts'
import { ls } from '../ls/ls.ts'
import { resolvePath } from './resolve-path.ts'
import { SnapshotTree, walkTree } from './snapshot-tree.ts'

const LEVELS = 60
const FILES = 40

/** Deeper than any number of folders that a cache would hold, with files at the bottom and beside the way. */
function deepFolder(): Folder {
  let folder: Folder = Object.fromEntries(Array.from({ length: FILES }, (_, at) => [`f${at}`, `${at}`]))
  for (let level = 0; level < LEVELS; level++) folder = { after: 'x', d: folder }
  return folder
}

describe('a tree of many levels', () => {
  it('is looked up one folder after the other, none twice', async () => {
    const repository = new TreeRepository()
    const { tree } = repository.snapshot(deepFolder())
    const entries = await collect(walkTree(id => repository.loadTree(id), { ...ROOT, subtree: tree }))
    expect([entries.length, repository.loadedTrees.length]).toEqual([FILES + LEVELS * 2, LEVELS + 1])
    repository.loadedTrees.length = 0
    const lookup = new SnapshotTree(repository, tree)
    for (const { path, node } of entries) expect(await lookup.findNode(path)).toEqual(node)
    // On the way back up, folders that were left are opened once more at most.
    expect(repository.loadedTrees.length).toBeLessThanOrEqual(2 * LEVELS + 1)
  })

  it('has no entry below a file, in a folder that is not there, or of another name', async () => {
    const repository = new TreeRepository()
    const lookup = new SnapshotTree(repository, repository.snapshot({ a: { b: { c: 'x' } }, f: 'x' }).tree)
    expect((await lookup.findNode('a/b/c'))?.name).toBe('c')
    for (const path of ['a/b/d', 'a/c/c', 'f/c', 'ab/c', 'a/b/c/d']) expect(await lookup.findNode(path)).toBeUndefined()
    expect((await lookup.findNode('/a//b/'))?.type).toBe('dir')
    expect((await lookup.findNode(''))?.type).toBe('dir')
  })

  it('is listed to its bottom', async () => {
    const repository = new TreeRepository()
    const snapshot = repository.snapshot(deepFolder())
    const { signal } = new AbortController()
    const listed = await collect(ls({ repository, snapshot, path: '', recursive: true, signal, onFinding: () => {} }))
    expect(listed.length).toBe(FILES + LEVELS * 2)
  })
})

const ROOT = { name: '', type: 'dir', mode: 0o755, mtimeNs: 0n, uid: 0, gid: 0 } as const

describe('a name that is not text', () => {
  const folder: Folder = { 'a\udcff': 'x', 'b\udcff': '1', 'b\udcfe': '2' }

  it.each([
    ['a\udcff', 'a\udcff'],
    ['a\\xff', 'a\udcff'],
    ['a\ufffd', 'a\udcff'],
    ['b\\xfe', 'b\udcfe'],
  ])('is found as %j', async (typed, name) => {
    const repository = new TreeRepository()
    expect((await resolvePath(repository, repository.snapshot(folder), typed)).path).toBe(name)
  })

  it('is asked for where several could be meant', async () => {
    const repository = new TreeRepository()
    await expect(resolvePath(repository, repository.snapshot(folder), 'b\ufffd')).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('b\\xfe, b\\xff'),
    })
  })
})
