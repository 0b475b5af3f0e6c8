import { setImmediate as breathe } from 'node:timers/promises'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'
import { parseTree } from '../format/tree.ts'
import { parseTreeParts } from '../format/tree-parts.ts'
import { LARGE_BYTES, openBlob, openLargeBlob } from '../pack/blob.ts'
import { plaintextLength } from './blob-table.ts'
import { fromAnyCopy } from './load-blob.ts'
import type { Reader } from './reader.ts'

/**
 * A tree's nodes in byte order of their names. `damaged` when missing or wrong. That of a large folder is held as it is
 * stored, and its nodes are made anew by each walk over them: as objects they would take more than ten times as much.
 */
export async function loadTree(reader: Reader, id: Id, signal?: AbortSignal): Promise<Iterable<TreeNode>> {
  const subject = `tree ${shortId(id)}`
  const opened = await fromAnyCopy(reader, 'tree', id, signal, (sealed, place, { cipher, zstd }) =>
    plaintextLength(place) > LARGE_BYTES
      ? openLargeBlob(sealed, place, cipher, zstd)
      : Buffer.from(openBlob(sealed, place, cipher, zstd)),
  )
  if (opened instanceof Uint8Array) return parseTree(opened, subject)
  return (await isStreamable(opened, subject, signal))
    ? new LargeTree(opened, subject)
    : parseTree(join(opened), subject)
}

/** Read through once: whoever walks over its nodes finds no damage half-way. */
async function isStreamable(
  parts: Iterable<Uint8Array>,
  subject: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    for (const _ of parseTreeParts(parts, subject)) {
      throwIfAborted(signal)
      await breathe()
    }
    return true
  } catch (error) {
    if (isAppError(error, 'damaged')) return false
    throw error
  }
}

class LargeTree implements Iterable<TreeNode> {
  readonly #parts: Iterable<Uint8Array>
  readonly #subject: string

  constructor(parts: Iterable<Uint8Array>, subject: string) {
    this.#parts = parts
    this.#subject = subject
  }

  *[Symbol.iterator](): Generator<TreeNode> {
    for (const nodes of parseTreeParts(this.#parts, this.#subject)) yield* nodes
  }
}

function join(parts: Iterable<Uint8Array>): Buffer {
  return Buffer.concat(Array.from(parts, part => Buffer.from(part)))
}
