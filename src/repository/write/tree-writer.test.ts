import { createHash } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeName } from '../../base/bytes.ts'
import type { TreeNode } from '../../model/node.ts'
import { formatTree, sortNodes } from '../format/tree.ts'
import { NODES_A_RUN, TreeWriter } from './tree-writer.ts'

const id = 'ab'.repeat(32)

function file(name: string, fields: Partial<TreeNode> = {}): TreeNode {
  return { type: 'file', mode: 0o644, mtimeNs: 5n, uid: 0, gid: 0, sizeBytes: 1, content: [id], ...fields, name }
}

function other(name: string, fields: Partial<TreeNode>): TreeNode {
  return { type: 'fifo', mode: 0o644, mtimeNs: 5n, uid: 0, gid: 0, ...fields, name }
}

/** What one tree is stored as. */
class Sink {
  stored:
    | { readonly id: string; readonly plaintext: Buffer; readonly plainBytes: number; readonly wasCompressed: boolean }
    | undefined

  async add(_type: string, plaintext: Uint8Array, blob: Buffer): Promise<void> {
    this.stored = {
      id: blob.toString('hex'),
      plaintext: Buffer.from(plaintext),
      plainBytes: plaintext.length,
      wasCompressed: false,
    }
  }

  addCompressed(_type: string, compressed: Uint8Array, plainBytes: number, blob: Buffer): void {
    const plaintext = zstdDecompressSync(compressed)
    this.stored = { id: blob.toString('hex'), plaintext, plainBytes, wasCompressed: true }
  }
}

async function write(nodes: readonly TreeNode[], runNodes: number, step: number): Promise<Sink['stored']> {
  const sink = new Sink()
  const tree = new TreeWriter(sink, runNodes)
  for (let at = 0; at < nodes.length; at += step) await tree.add(nodes.slice(at, at + step))
  const treeId = await tree.finish()
  expect(sink.stored?.id).toBe(treeId)
  expect(sink.stored?.plainBytes).toBe(sink.stored?.plaintext.length)
  return sink.stored
}

// Names as bytes, most of them no UTF-8, and such as need quoting.
const name = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.string({ unit: 'grapheme', minLength: 1 }).map(text => Buffer.from(text)),
  )
  .filter(bytes => !bytes.includes(0) && !bytes.includes(0x2f))
  .map(decodeName)
  .filter(text => text !== '.' && text !== '..')

const node = name.chain(text =>
  fc.constantFrom(
    file(text),
    file(text, { content: [], sizeBytes: 0, inode: 2n ** 63n, atimeNs: 7n, ctimeNs: 8n }),
    file(text, { extendedAttributes: [{ name: 'user.x"},{', value: Buffer.from([1]) }] }),
    other(text, { type: 'dir', subtree: id }),
    other(text, { type: 'symlink', linkTarget: text }),
  ),
)

test('however its nodes come, a tree is stored byte by byte as if they had been there together', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(node, { selector: each => each.name, maxLength: 20 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 5 }),
      async (nodes, inOrder, runNodes, step) => {
        const wanted = formatTree(nodes)
        const stored = await write(inOrder ? sortNodes(nodes) : nodes, runNodes, step)
        expect(stored?.plaintext.equals(wanted)).toBe(true)
        expect(stored?.id).toBe(createHash('sha256').update(wanted).digest('hex'))
      },
    ),
    { numRuns: 60 },
  )
})

test.each([0, 1, NODES_A_RUN - 1, NODES_A_RUN, NODES_A_RUN + 1, 2 * NODES_A_RUN, 2 * NODES_A_RUN + 1])(
  '%d nodes',
  async count => {
    const nodes = Array.from({ length: count }, (_, i) => file(String(i).padStart(6, '0')))
    const stored = await write(nodes, NODES_A_RUN, 1)
    expect(stored?.plaintext.equals(formatTree(nodes))).toBe(true)
    expect(stored?.wasCompressed).toBe(count > NODES_A_RUN)
  },
)
