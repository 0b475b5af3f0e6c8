import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TreeNode } from '../../model/node.ts'
import { NodeLookup } from './node-lookup.ts'

function file(name: string): TreeNode {
  return { name, type: 'file', mode: 0o644, mtimeNs: 5n, uid: 0, gid: 0, sizeBytes: 1, content: [] }
}

class CountedNodes implements Iterable<TreeNode> {
  walks = 0
  nodes = 0

  readonly #names: readonly string[]

  constructor(names: readonly string[]) {
    this.#names = names
  }

  *[Symbol.iterator](): Generator<TreeNode> {
    this.walks += 1
    for (const name of this.#names) {
      this.nodes += 1
      yield file(name)
    }
  }
}

test('finds what is there and nothing else, in any order of questions', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(50)),
      fc.array(fc.nat(50)),
      fc.integer({ min: 1, max: 8 }),
      (there, asked, remembered) => {
        const names = there.map(each => String(each).padStart(3, '0')).sort()
        const lookup = new NodeLookup(new CountedNodes(names), remembered)
        for (const each of asked) {
          const name = String(each).padStart(3, '0')
          expect(lookup.find(name)?.name).toBe(names.includes(name) ? name : undefined)
        }
      },
    ),
  )
})

test('who asks nearly in order makes it read once, however many there are', () => {
  const nodes = new CountedNodes(Array.from({ length: 20_000 }, (_, i) => String(i * 2).padStart(6, '0')))
  const lookup = new NodeLookup(nodes, 1000)
  for (let i = 0; i < 40_000; i++) {
    const name = String(i).padStart(6, '0')
    expect(lookup.find(name) !== undefined).toBe(i % 2 === 0)
    if (i % 100 === 99) expect(lookup.find(String(i - 99).padStart(6, '0'))).toBeDefined()
  }
  expect([nodes.walks, nodes.nodes]).toEqual([1, 20_000])
})
