import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TreeNode } from '../../model/node.ts'
import { formatTree, parseTree } from './tree.ts'
import { parseTreeParts } from './tree-parts.ts'

const id = 'ab'.repeat(32)

function file(name: string): TreeNode {
  return { name, type: 'file', mode: 0o644, mtimeNs: 5n, atimeNs: 5n, uid: 0, gid: 0, sizeBytes: 1, content: [id, id] }
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  // As of a decoder, which uses its memory again.
  const memory = Buffer.alloc(size)
  for (let at = 0; at < bytes.length; at += size) yield memory.subarray(0, bytes.copy(memory, 0, at, at + size))
}

const parseCut = (text: Buffer, size: number): TreeNode[] =>
  [...parseTreeParts(cut(text, size), 'tree 12345678')].flat()

test('wherever a tree is cut, its nodes are those of the whole', () => {
  const name = fc.oneof(
    fc.constantFrom('a"},{"name":"b', 'a\\', '"', '[,]', '{', '}', ','),
    fc.string({ minLength: 1 }),
  )
  fc.assert(
    fc.property(
      fc.uniqueArray(
        name.filter(text => !/[/\0]/.test(text) && text !== '.' && text !== '..'),
        { maxLength: 12 },
      ),
      fc.integer({ min: 1, max: 600 }),
      (names, size) => {
        const text = formatTree(
          names.map((each, i) =>
            i % 3 === 0
              ? {
                  ...file(each),
                  extendedAttributes: [
                    { name: 'a', value: Buffer.from('b') },
                    { name: '}', value: Buffer.alloc(0) },
                  ],
                }
              : file(each),
          ),
        )
        if (names.length === 0) expect(() => parseCut(text, size)).toThrow('damaged')
        else expect(parseCut(text, size)).toEqual(parseTree(text, 'x'))
      },
    ),
    { numRuns: 200 },
  )
})

const [a, b] = ['a', 'b'].map(each => JSON.stringify({ name: each, type: 'file', mtime: '2014-12-06T17:50:23Z' }))

test.each([
  ['another order', `{"nodes":[${b},${a}]}\n`],
  ['a name twice', `{"nodes":[${a},${a}]}\n`],
  ['no newline', `{"nodes":[${a},${b}]}`],
  ['blanks', `{ "nodes":[${a},${b}]}\n`],
  ['another list after', `{"nodes":[${a}],"others":[${b},${b}]}\n`],
  ['a second list', `{"nodes":[${a}],"nodes":[${b}]}\n`],
  ['a comma too much before', `{"nodes":[,${a},${b}]}\n`],
  ['a comma too much between', `{"nodes":[${a},,${b}]}\n`],
  ['a comma too much after', `{"nodes":[${a},${b},]}\n`],
  ['a second text', `{"nodes":[${a},${b}]}\n{"nodes":[]}\n`],
  ['cut short', `{"nodes":[${a},${b}`],
  ['nothing', ''],
])('what is laid out in another way is left to who reads the whole: %s', (_, text) => {
  for (const size of [1, 7, 60, 1000])
    expect(() => parseCut(Buffer.from(text), size)).toThrow('tree 12345678 is damaged')
})
