import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { NodeMeta, TreeNode } from '../../model/node.ts'
import type { TreeWriting } from '../../repository/index.ts'
import { TreeBuilder } from './tree-builder.ts'

const dirMeta: NodeMeta = { type: 'dir', mode: 0o755, mtimeNs: 1n, uid: 0, gid: 0 }

function file(name: string): TreeNode {
  return { ...dirMeta, type: 'file', name, content: [], sizeBytes: 0 }
}

/** Remembers trees by id, so that the whole can be read back as paths. */
class Trees {
  readonly saved = new Map<string, readonly TreeNode[]>()

  start = (): TreeWriting => {
    const nodes: TreeNode[] = []
    return {
      add: async more => {
        this.largestRun = Math.max(this.largestRun, more.length)
        nodes.push(...more)
      },
      finish: async () => this.#save(nodes),
    }
  }

  largestRun = 0

  #save(nodes: readonly TreeNode[]): string {
    const sorted = nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const id = createHash('sha256')
      .update(JSON.stringify(sorted, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)))
      .digest('hex')
    this.saved.set(id, sorted)
    return id
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
    const builder = new TreeBuilder(trees.start)
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
    const builder = new TreeBuilder(trees.start)
    builder.add('gone', Promise.resolve(undefined))
    builder.add('there', Promise.resolve(file('there')))
    expect(trees.paths((await builder.close()).id)).toEqual(['there'])
  })

  it('throws a failure while the stream goes on, and at the end', async () => {
    const builder = new TreeBuilder(new Trees().start)
    builder.openDirectory('a', dirMeta)
    builder.add('a/1', Promise.reject(new Error('disk gone')))
    await new Promise(resolve => setImmediate(resolve))
    expect(() => builder.throwIfFailed()).toThrow('disk gone')
    await expect(builder.close()).rejects.toThrow('disk gone')
  })

  it('fails when a subtree cannot be saved', async () => {
    const builder = new TreeBuilder(() => ({
      add: nodes => (nodes.some(node => node.name === '1') ? Promise.reject(new Error('full')) : Promise.resolve()),
      finish: () => Promise.resolve('id'),
    }))
    builder.openDirectory('a', dirMeta)
    builder.add('a/1', Promise.resolve(file('1')))
    await expect(builder.close()).rejects.toThrow('full')
  })

  it('refuses an entry whose directory is not open', () => {
    const builder = new TreeBuilder(new Trees().start)
    builder.openDirectory('a', dirMeta)
    builder.openDirectory('b', dirMeta)
    expect(() => builder.add('a/late', Promise.resolve(file('late')))).toThrow('outside of any open directory: a')
  })

  it('passes on the nodes of a large directory while the stream goes on, and holds the stream up to it', async () => {
    const trees = new Trees()
    const builder = new TreeBuilder(trees.start)
    let underWay = 0
    let most = 0
    for (let i = 0; i < 10_000; i++) {
      await builder.keepPace()
      underWay += 1
      most = Math.max(most, underWay)
      const name = String(i).padStart(6, '0')
      const written = new Promise<TreeNode>(resolve => setImmediate(() => resolve(file(name))))
      builder.add(
        name,
        written.finally(() => {
          underWay -= 1
        }),
      )
    }
    const { id } = await builder.close()
    expect(trees.paths(id)).toHaveLength(10_000)
    expect(trees.largestRun).toBeLessThanOrEqual(1000)
    expect(most).toBeLessThanOrEqual(2000)
  })
})
