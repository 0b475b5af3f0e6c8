import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { NodeMeta, TreeNode } from '../../model/node.ts'
import { TreeBuilder } from './tree-builder.ts'

const dirMeta: NodeMeta = { type: 'dir', mode: 0o755, mtimeNs: 1n, uid: 0, gid: 0 }

function file(name: string): TreeNode {
  return { ...dirMeta, type: 'file', name, content: [], sizeBytes: 0 }
}

/** Remembers trees by id, so that the whole can be read back as paths. */
class Trees {
  readonly saved = new Map<string, readonly TreeNode[]>()

  save = (nodes: readonly TreeNode[]): Promise<string> => {
    const sorted = nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const id = createHash('sha256')
      .update(JSON.stringify(sorted, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)))
      .digest('hex')
    this.saved.set(id, sorted)
    return Promise.resolve(id)
  }

  paths(id: string, prefix = ''): string[] {
    return (this.saved.get(id) ?? []).flatMap(node => [
      prefix + node.name,
      ...(node.subtree === undefined ? [] : this.paths(node.subtree, `${prefix}${node.name}/`)),
    ])
  }
}

describe('TreeBuilder', () => {
  it('nests what the stream says, empty directories too', async () => {
    const trees = new Trees()
    const builder = new TreeBuilder(trees.save)
    builder.openDirectory('', { ...dirMeta, mode: 0o700 })
    builder.openDirectory('a', dirMeta)
    builder.openDirectory('a/b', dirMeta)
    builder.add('a/b/1', Promise.resolve(file('1')))
    builder.add('a/2', Promise.resolve(file('2')))
    builder.openDirectory('a-b', dirMeta)
    builder.openDirectory('c', dirMeta)
    builder.openDirectory('c/d', dirMeta)
    builder.add('3', Promise.resolve(file('3')))
    const root = await builder.close()
    expect(trees.paths(root.id)).toEqual(['3', 'a', 'a/2', 'a/b', 'a/b/1', 'a-b', 'c', 'c/d'])
    expect(root.meta?.mode).toBe(0o700)
  })

  it('leaves lost entries out', async () => {
    const trees = new Trees()
    const builder = new TreeBuilder(trees.save)
    builder.add('gone', Promise.resolve(undefined))
    builder.add('there', Promise.resolve(file('there')))
    expect(trees.paths((await builder.close()).id)).toEqual(['there'])
  })

  it('throws a failure while the stream goes on, and at the end', async () => {
    const builder = new TreeBuilder(new Trees().save)
    builder.openDirectory('a', dirMeta)
    builder.add('a/1', Promise.reject(new Error('disk gone')))
    await new Promise(resolve => setImmediate(resolve))
    expect(() => builder.throwIfFailed()).toThrow('disk gone')
    await expect(builder.close()).rejects.toThrow('disk gone')
  })

  it('fails when a subtree cannot be saved', async () => {
    const builder = new TreeBuilder(nodes =>
      nodes.some(node => node.name === '1') ? Promise.reject(new Error('full')) : Promise.resolve('id'),
    )
    builder.openDirectory('a', dirMeta)
    builder.add('a/1', Promise.resolve(file('1')))
    await expect(builder.close()).rejects.toThrow('full')
  })

  it('refuses an entry whose directory is not open', () => {
    const builder = new TreeBuilder(new Trees().save)
    builder.openDirectory('a', dirMeta)
    builder.openDirectory('b', dirMeta)
    expect(() => builder.add('a/late', Promise.resolve(file('late')))).toThrow('outside of any open directory: a')
  })
})
