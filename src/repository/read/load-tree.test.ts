import { expect, test } from 'vitest'
import { contentOf, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { SmallRepository } from '../../../test/helpers/small-repository.ts'
import type { TreeNode } from '../../model/node.ts'
import { formatTree } from '../format/tree.ts'
import { createRepository } from '../index.ts'
import { blobId, LARGE_BYTES } from '../pack/blob.ts'
import { loadTree } from './load-tree.ts'

const content = [blobId(Buffer.from('x'))]
/** A tree of some more than `LARGE_BYTES`. */
const MANY = 20_000

function manyFiles(): TreeNode[] {
  return Array.from({ length: MANY }, (_, i) => ({
    name: `file-${String(i).padStart(6, '0')}`,
    type: 'file',
    mode: 0o644,
    mtimeNs: BigInt(i),
    atimeNs: BigInt(i),
    uid: 0,
    gid: 0,
    sizeBytes: 1,
    content,
  }))
}

test.each([1, 2] as const)(
  'a large tree comes back, and damage of it is named as in a small one: version %d',
  async version => {
    const storage = new FaultyStorage(new MemoryStorage())
    const repository = await createRepository(storage, { ...engineOptions(new SteppedClock()), version })
    const nodes = manyFiles()
    const writing = await repository.startWriting({ signal: new AbortController().signal })
    await writing.writeContent(contentOf(Buffer.from('x'), { kind: 'content' }))
    const small = await writing.saveTree([{ ...nodes[0], name: 'small' } as TreeNode])
    const tree = writing.startTree()
    for (let at = 0; at < MANY; at += 700) await tree.add(nodes.slice(at, at + 700))
    const id = await tree.finish()
    expect(id).toBe(blobId(formatTree(nodes)))
    expect(await writing.saveTree(nodes)).toBe(id)
    await writing.saveSnapshot({ time: new Date(), tree: id, paths: ['/'], hostname: 'h', username: 'u', tags: [] })
    expect(writing.progress.treeBlobsNew).toBe(2)

    const loaded = await repository.loadTree(id)
    // Its nodes are not held.
    expect(Array.isArray(loaded)).toBe(false)
    for (let walk = 0; walk < 2; walk++) expect([...loaded]).toEqual(nodes)
    // Two walks at once do not disturb each other.
    const [one, other] = [loaded[Symbol.iterator](), loaded[Symbol.iterator]()]
    for (let i = 0; i < 5000; i++) expect(one.next().value?.name).toBe(nodes[i]?.name)
    expect(other.next().value).toEqual(nodes[0])

    const report = await repository.check({ readData: 1, signal: new AbortController().signal })
    expect(report.findings).toEqual([])

    storage.faults = { flipBit: { key: /^data/, bit: 4000 } }
    const reasonOf = async (treeId: string): Promise<string> =>
      await repository.loadTree(treeId).then(
        () => 'whole',
        (error: Error) => error.message.replaceAll(/[0-9a-f]{8}/g, 'X'),
      )
    expect(await reasonOf(id)).toBe('cannot read tree blob X: pack X: tree blob X is damaged: its seal is broken')
    storage.faults = { flipBit: { key: /^data/, bit: 200 } }
    expect(await reasonOf(small)).toBe('cannot read tree blob X: pack X: tree blob X is damaged: its seal is broken')
    storage.faults = {}
    await repository.close()
  },
)

test('a large tree that another program laid out in its own way is read too, or is damaged as a small one is', async () => {
  const storage = new MemoryStorage()
  const repository = new SmallRepository(storage)
  const nodes = manyFiles()
  const text = formatTree(nodes).toString()
  const ids = [
    text.replace('{"nodes":[', '{ "nodes": [ '),
    `{"nodes":[${text.slice('{"nodes":['.length, -3).split('},{').toReversed().join('},{')}`,
    text.replace('file-000007', 'file-000008'),
  ].map(each => repository.addBlob('tree', Buffer.from(each)))
  await repository.saveIndex([await repository.savePack()])
  const reader = { ...repository.context, index: await repository.openIndex() }
  const [spaced, broken, twice] = ids
  expect([...(await loadTree(reader, spaced ?? ''))]).toEqual(nodes)
  await expect(loadTree(reader, broken ?? '')).rejects.toMatchObject({ code: 'damaged', message: /it is not JSON/ })
  await expect(loadTree(reader, twice ?? '')).rejects.toMatchObject({
    code: 'damaged',
    message: /a name is there twice/,
  })
  expect(text.length).toBeGreaterThan(LARGE_BYTES)
})
