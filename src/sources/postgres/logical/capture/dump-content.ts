import { encodeName } from '../../../../base/bytes.ts'
import type { Child } from '../../../../base/child.ts'
import type { Content, Cut } from '../../../source.ts'
import { clearArchiveTime, HEADER_BYTES } from '../archive/archive-header.ts'
import type { ArchiveRows } from '../archive/archive-rows.ts'

const CUT: Cut = { kind: 'content' }

/** What pg_dump writes, as it comes. Its end counts only when pg_dump says that it ended well. */
export class DumpContent implements Content {
  readonly sizeBytes = undefined
  readonly cut = CUT
  readonly #child: Child
  readonly #requireSuccess: () => Promise<void>
  readonly #onClose: () => void
  readonly #rows: ArchiveRows
  #head: Buffer | undefined
  #headAt = 0
  #ended = false

  /** `rows` counts on the way. `requireSuccess` is called at the end of the stream and throws unless the program ended well. */
  constructor(child: Child, rows: ArchiveRows, requireSuccess: () => Promise<void>, onClose: () => void) {
    this.#child = child
    this.#rows = rows
    this.#requireSuccess = requireSuccess
    this.#onClose = onClose
  }

  async read(into: Uint8Array): Promise<number> {
    if (this.#ended) return 0
    const fromHead = await this.#readHead(into)
    const count = fromHead + (await this.#child.read(into.subarray(fromHead)))
    await this.#rows.add(Buffer.from(into.buffer, into.byteOffset, count))
    if (count < into.length) {
      this.#ended = true
      await this.#requireSuccess()
    }
    return count
  }

  async close(): Promise<void> {
    await this.#child.stop()
    this.#onClose()
  }

  async #readHead(into: Uint8Array): Promise<number> {
    if (this.#head === undefined) {
      const head = Buffer.alloc(HEADER_BYTES)
      this.#head = head.subarray(0, await this.#child.read(head))
      clearArchiveTime(this.#head)
    }
    const part = this.#head.subarray(this.#headAt, this.#headAt + into.length)
    into.set(part)
    this.#headAt += part.length
    return part.length
  }
}

/** Text that is made when it is read first. */
export class TextContent implements Content {
  readonly sizeBytes: number
  readonly cut = CUT
  readonly #bytes: Buffer
  #at = 0

  constructor(text: string) {
    this.#bytes = encodeName(text)
    this.sizeBytes = this.#bytes.length
  }

  read(into: Uint8Array): Promise<number> {
    const part = this.#bytes.subarray(this.#at, this.#at + into.length)
    into.set(part)
    this.#at += part.length
    return Promise.resolve(part.length)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
