import { randomBytes } from 'node:crypto'
import { constants, createZstdCompress, createZstdDecompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { plainFrameSize } from './zstd-frame.ts'

/** How to compress: a level, and where given what replaces the level's own choices (zstd's names and units). */
export interface Compression {
  readonly level: number
  readonly hashLog?: number
  readonly minMatch?: number
}

/** One thread's zstd. Results may share memory: they are valid until the next call. */
export interface Zstd {
  /** One frame with its content size in the header. A context is kept for each `how`, so these should be constants. */
  compress(plaintext: Uint8Array, how: Compression): Buffer
  /**
   * The content of a frame, or undefined when it is damaged or larger than `limitBytes`. It is in `into`, if that is given
   * and large enough.
   */
  decompress(frame: Uint8Array, limitBytes: number, into?: Buffer): Buffer | undefined
  /**
   * As `decompress`, some bytes at a time, each valid until the next is asked for. Gives `undefined`, and ends, where the
   * frame turns out to be damaged or larger.
   */
  decompressParts(frame: Uint8Array, limitBytes: number): Generator<Buffer | undefined>
}

/**
 * Opens zstd for this thread. Node's one-shot functions make a context and a stream object for every call, which at
 * 16 KiB costs as much as the compression itself. Where this Node's stream objects let it (a self-test finds out), their
 * contexts are used again and again. See docs/decisions/engine.md.
 */
export function openZstd(): Zstd {
  const fast = new HandleZstd()
  handlesWork ??= passesSelfTest(fast)
  return handlesWork ? fast : publicZstd
}

// This Node's answer does not change while it runs.
let handlesWork: boolean | undefined

/** The public interface only; correct everywhere. */
export const publicZstd: Zstd = {
  compress: (plaintext, how) => zstdCompressSync(plaintext, { params: parameters(how) }),
  decompress(frame, limitBytes, into) {
    try {
      const out = zstdDecompressSync(frame, { maxOutputLength: Math.max(limitBytes, 1) })
      if (out.length > limitBytes) return undefined
      return into && into.length >= out.length ? into.subarray(0, out.copy(into)) : out
    } catch {
      return undefined
    }
  },
  *decompressParts(frame, limitBytes) {
    yield this.decompress(frame, limitBytes)
  },
}

/** What is decompressed at a time of a frame too large to be there as a whole. */
const PART_BYTES = 256 * 1024

interface Handle {
  onerror: (message: string) => void
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void
  close(): void
}

interface HandleOwner {
  readonly _handle: Handle
  /** Bytes of room left in the output, bytes left in the input. */
  readonly _writeState: Uint32Array
}

/** A log file of PostgreSQL, and what it needs more when it can't be compressed. Only what is written takes memory. */
const KEEP_SCRATCH_BYTES = 17 * 1024 * 1024

class HandleZstd implements Zstd {
  readonly #compressors = new Map<Compression, NativeContext>()
  #decompressor: NativeContext | undefined
  #scratch = Buffer.allocUnsafeSlow(64 * 1024)

  compress(plaintext: Uint8Array, how: Compression): Buffer {
    const context = this.#compressor(how)
    const out = this.#room(plaintext.length + (plaintext.length >>> 8) + 128)
    const written = context?.run(constants.ZSTD_e_end, plaintext, out)
    if (written !== undefined) return out.subarray(0, written)
    this.#compressors.delete(how)
    return publicZstd.compress(plaintext, how)
  }

  decompress(frame: Uint8Array, limitBytes: number, into?: Buffer): Buffer | undefined {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
    const size = plainFrameSize(bytes)
    if (size === undefined || size === 0) return publicZstd.decompress(frame, limitBytes, into)
    if (size > limitBytes) return undefined
    this.#decompressor ??= NativeContext.open(createZstdDecompress())
    const out = into && into.length >= size ? into : this.#room(size)
    const written = this.#decompressor?.run(constants.ZSTD_e_continue, bytes, out.subarray(0, size))
    if (written === size) return out.subarray(0, size)
    // The context may hold a half-read frame now.
    this.#decompressor?.close()
    this.#decompressor = undefined
    return publicZstd.decompress(frame, limitBytes, into)
  }

  *decompressParts(frame: Uint8Array, limitBytes: number): Generator<Buffer | undefined> {
    // One of its own: another frame may be read between two parts of this one.
    const context = NativeContext.open(createZstdDecompress())
    if (context === undefined) {
      yield* publicZstd.decompressParts(frame, limitBytes)
      return
    }
    try {
      const out = Buffer.allocUnsafeSlow(PART_BYTES)
      let left = limitBytes
      for (const written of context.runParts(frame, out)) {
        left -= written ?? 0
        if (written === undefined || left < 0) {
          yield undefined
          return
        }
        yield out.subarray(0, written)
      }
    } finally {
      context.close()
    }
  }

  #compressor(how: Compression): NativeContext | undefined {
    const known = this.#compressors.get(how)
    if (known) return known
    const made = NativeContext.open(createZstdCompress({ params: parameters(how) }))
    if (made) this.#compressors.set(how, made)
    return made
  }

  #room(bytes: number): Buffer {
    if (bytes > KEEP_SCRATCH_BYTES) return Buffer.allocUnsafeSlow(bytes)
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafeSlow(bytes)
    return this.#scratch
  }
}

/** The native context inside one of Node's zstd streams. */
class NativeContext {
  readonly #owner: HandleOwner
  #failed = false

  static open(stream: unknown): NativeContext | undefined {
    const owner = stream as Partial<HandleOwner>
    const usable = typeof owner._handle?.writeSync === 'function' && owner._writeState instanceof Uint32Array
    return usable ? new NativeContext(owner as HandleOwner) : undefined
  }

  constructor(owner: HandleOwner) {
    this.#owner = owner
    owner._handle.onerror = () => {
      this.#failed = true
    }
  }

  /** Bytes written to `output`, or undefined when not all of the input was used or the codec refused it. */
  run(flush: number, input: Uint8Array, output: Uint8Array): number | undefined {
    const state = this.#owner._writeState
    state.set([output.length, input.length])
    this.#owner._handle.writeSync(flush, input, 0, input.length, output, 0, output.length)
    const [room = 0, unread = 1] = state
    return this.#failed || unread !== 0 ? undefined : output.length - room
  }

  /** Bytes written to the start of `output`, again and again until all of the input is used; undefined: it is refused. */
  *runParts(input: Uint8Array, output: Uint8Array): Generator<number | undefined> {
    const state = this.#owner._writeState
    for (let left = input.length, room = 0; left > 0 || room === 0; ) {
      const before = left
      const at = input.length - left
      this.#owner._handle.writeSync(constants.ZSTD_e_continue, input, at, left, output, 0, output.length)
      ;[room = 0, left = 0] = state
      const stuck = room === output.length && left === before
      if (this.#failed || (stuck && left > 0)) {
        yield undefined
        return
      }
      if (stuck) return
      if (room < output.length) yield output.length - room
    }
  }

  close(): void {
    this.#owner._handle.close()
  }
}

function parameters({ level, hashLog, minMatch }: Compression): Record<number, number> {
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    ...(hashLog === undefined ? {} : { [constants.ZSTD_c_hashLog]: hashLog }),
    ...(minMatch === undefined ? {} : { [constants.ZSTD_c_minMatch]: minMatch }),
  }
}

const TESTED: Compression = { level: 1 }

/** Sizes around the format's and the codec's limits, compressible and not, in an order that would show kept state. */
function passesSelfTest(codec: Zstd): boolean {
  try {
    for (const bytes of [16384, 1, 0, 150_000, 16384, 4096]) {
      for (const plaintext of [patterned(bytes), randomBytes(bytes)]) {
        const frame = Buffer.from(codec.compress(plaintext, TESTED))
        if (!publicZstd.decompress(frame, bytes)?.equals(plaintext)) return false
        if (!codec.decompress(frame, bytes)?.equals(plaintext)) return false
        const parts = Array.from(codec.decompressParts(frame, bytes), part => Buffer.from(part ?? ''))
        if (!Buffer.concat(parts).equals(plaintext)) return false
      }
    }
    return codec.decompress(publicZstd.compress(patterned(5000), TESTED), 4999) === undefined
  } catch {
    return false
  }
}

function patterned(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'a page of a database, ')
}
