import { hash } from 'node:crypto'
import type { Id } from '../../model/node.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { KeptObjects } from './kept-objects.ts'

/** A longer one is not small beside the data that it tells of. */
const MAX_BYTES = 16 * 1024 * 1024

/** Contents that each backup reads again, as the manifest of the one before. Sealed with their own name. */
export class KeptContents {
  readonly #objects: KeptObjects
  readonly #cipher: Cipher

  constructor(objects: KeptObjects, cipher: Cipher) {
    this.#objects = objects
    this.#cipher = cipher
  }

  load(content: readonly Id[]): Buffer | undefined {
    const name = nameOf(content)
    const sealed = this.#objects.load(name)
    const opened = sealed && this.#cipher.open(sealed)
    if (!opened?.subarray(0, name.length).equals(Buffer.from(name))) return undefined
    return opened.subarray(name.length)
  }

  async keep(content: readonly Id[], parts: readonly Uint8Array[]): Promise<void> {
    if (parts.reduce((sum, part) => sum + part.length, 0) > MAX_BYTES) return
    const name = nameOf(content)
    await this.#objects.keep(name, [this.#cipher.seal(Buffer.concat([Buffer.from(name), ...parts]))])
  }
}

function nameOf(content: readonly Id[]): string {
  return `content-${hash('sha256', content.join('')).slice(0, 32)}`
}
