import { createHash, type Hash } from 'node:crypto'
import { Semaphore } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { KeptPacks } from '../cache/kept-packs.ts'
import type { BlobType } from '../contract/blob.ts'
import type { Cipher } from '../crypto/cipher.ts'
import { fileKey } from '../format/file-keys.ts'
import { HEADER_LENGTH_BYTES, SEAL_BYTES, walkPackEntries } from '../format/pack-header.ts'
import type { Failure } from '../write/failure.ts'
import type { SealedBlobs } from './blob-sealer.ts'

const BLOBS_A_PACK = 100_000
/** Whole packs that wait to be stored, in bytes: what bounds memory where packs are long and the line is slow. */
const SAVING_BYTES = 32 * 1024 * 1024
const FIRST_BYTES = 256 * 1024
const ID_BYTES = 32

/** `warm`: data that is read by more than restores. It is kept apart only where other data has to be thawed first. */
type PackKind = BlobType | 'warm'

/** Takes sealed blobs. */
export type PackSink = Pick<PackWriter, 'ready' | 'add'>

export interface SavedPack {
  readonly id: Id
  /** The header's plaintext, for the index. */
  readonly entries: Uint8Array
  readonly blobs: number
}

export interface PackWriterOptions {
  readonly storage: Storage
  readonly cipher: Cipher
  readonly failure: Failure
  /** Resolves when something may be stored. */
  readonly allowed?: Promise<void>
  /** Called when a pack is durable. */
  readonly onSaved: (pack: SavedPack) => void
  /** Takes copies of packs of trees; undefined where reading them again costs nothing. */
  readonly kept?: Pick<KeptPacks, 'keep'> | undefined
  /** Default: as the storage's traits say. */
  readonly packBytes?: number | undefined
}

/**
 * Puts sealed blobs together to packs, data apart from trees as the format demands, and stores these. Backup, prune and
 * copy write through it. One pack of each type is open at a time, whatever the number of threads that seal, so that packs
 * may be as long as the storage likes.
 */
export class PackWriter {
  readonly #options: PackWriterOptions
  readonly #packBytes: number
  readonly #slots: Semaphore
  readonly #turn = new Semaphore(1)
  readonly #open: Record<PackKind, OpenPack> = { data: new OpenPack(), tree: new OpenPack(), warm: new OpenPack() }
  /** Memory of packs that are stored. */
  readonly #spares: Buffer[] = []
  bytesStored = 0

  constructor(options: PackWriterOptions) {
    const { saves, packBytes: usual } = options.storage.traits
    const { packBytes = usual } = options
    this.#options = options
    this.#packBytes = packBytes
    this.#slots = new Semaphore(Math.max(1, Math.min(saves, Math.floor(SAVING_BYTES / packBytes))))
  }

  /** For data that every command may need, such as what tells of a snapshot: it never goes where it has to be thawed. */
  get warm(): PackSink {
    if (this.#options.storage.archive === undefined) return this
    return { ready: () => this.ready(), add: (type, blobs) => this.#add(type === 'data' ? 'warm' : type, blobs) }
  }

  /** Waits while more is ready than can be stored: making more would only fill the memory. */
  async ready(): Promise<void> {
    await this.#slots.acquire()
    this.#slots.release()
  }

  /** The blobs are copied: their memory is free again when this resolves. */
  add(type: BlobType, blobs: SealedBlobs): Promise<void> {
    return this.#add(type, blobs)
  }

  async #add(kind: PackKind, blobs: SealedBlobs): Promise<void> {
    if (blobs.count === 0) return
    await this.#turn.run(async () => {
      this.#options.failure.check()
      let left: SealedBlobs | undefined = blobs
      while (left) {
        const pack = this.#open[kind]
        const room = { bytes: this.#packBytes - pack.length, blobs: BLOBS_A_PACK - pack.blobs }
        // One blob that is longer than a pack has one of its own.
        const [fitting, rest]: SplitBlobs = splitBlobs(left, room, pack.blobs === 0 ? 1 : 0)
        if (fitting) pack.append(fitting, this.#packBytes, this.#spares)
        if (rest) await this.#startSaving(kind)
        left = rest
      }
    })
  }

  /** Stores what is left. All packs are durable when this resolves. */
  async finish(): Promise<void> {
    await this.#turn.run(async () => {
      for (const kind of ['data', 'warm', 'tree'] as const) await this.#startSaving(kind)
    })
    await this.#options.failure.settle()
  }

  /** Waits while too many saves are under way. */
  async #startSaving(kind: PackKind): Promise<void> {
    const pack = this.#open[kind]
    if (pack.blobs === 0) return
    const { allowed, failure } = this.#options
    await allowed
    await this.#slots.acquire()
    this.#open[kind] = new OpenPack()
    failure.follow(this.#save(kind, pack).finally(() => this.#slots.release()))
  }

  async #save(kind: PackKind, pack: OpenPack): Promise<void> {
    const { storage, cipher, failure, onSaved, kept } = this.#options
    failure.check()
    const { id, body, header, entries } = pack.finish(cipher)
    const isRarelyRead = kind === 'data'
    await storage.save(fileKey('pack', id), [body, header], { signal: failure.signal, sha256: id, isRarelyRead })
    this.bytesStored += body.length + header.length
    if (kind === 'tree') await kept?.keep(id, [body, header])
    // After a failure the storage may still be reading from it.
    pack.giveBack(this.#packBytes, this.#spares)
    onSaved({ id, entries, blobs: pack.blobs })
  }
}

type SplitBlobs = readonly [fitting: SealedBlobs | undefined, rest: SealedBlobs | undefined]

/** @param atLeast so many fit, however long they are */
function splitBlobs(
  { bytes, entries, count }: SealedBlobs,
  room: { readonly bytes: number; readonly blobs: number },
  atLeast: number,
): SplitBlobs {
  if (bytes.length <= room.bytes && count <= room.blobs) return [{ bytes, entries, count }, undefined]
  let fitting = 0
  let bytesEnd = 0
  let entriesEnd = 0
  let isFull = false
  const table = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength)
  walkPackEntries(table, (idAt, _isTree, offset, length) => {
    isFull ||= fitting >= atLeast && (offset + length > room.bytes || fitting >= room.blobs)
    if (isFull) return
    fitting++
    bytesEnd = offset + length
    entriesEnd = idAt + ID_BYTES
  })
  const part = (from: number, to: number, entriesFrom: number, entriesTo: number, blobs: number) =>
    blobs === 0
      ? undefined
      : { bytes: bytes.subarray(from, to), entries: entries.subarray(entriesFrom, entriesTo), count: blobs }
  return [
    part(0, bytesEnd, 0, entriesEnd, fitting),
    part(bytesEnd, bytes.length, entriesEnd, entries.length, count - fitting),
  ]
}

interface FinishedPack {
  readonly id: Id
  /** Together the file. */
  readonly body: Uint8Array
  readonly header: Uint8Array
  readonly entries: Uint8Array
}

class OpenPack {
  blobs = 0
  length = 0
  readonly #hash: Hash = createHash('sha256')
  readonly #entries: Uint8Array[] = []
  #body: Buffer | undefined

  append({ bytes, entries, count }: SealedBlobs, packBytes: number, spares: Buffer[]): void {
    const body = this.#room(bytes.length, packBytes, spares)
    body.set(bytes, this.length)
    this.#hash.update(bytes)
    this.length += bytes.length
    this.#entries.push(entries)
    this.blobs += count
  }

  finish(cipher: Cipher): FinishedPack {
    const entries = Buffer.concat(this.#entries)
    const header = Buffer.allocUnsafe(entries.length + SEAL_BYTES + HEADER_LENGTH_BYTES)
    const end = cipher.sealInto(entries, header, 0)
    header.writeUInt32LE(end, end)
    const body = this.#body?.subarray(0, this.length) ?? Buffer.alloc(0)
    return { id: this.#hash.update(header).digest('hex'), body, header, entries }
  }

  giveBack(packBytes: number, spares: Buffer[]): void {
    // A longer one held one very large blob; shorter ones are not worth keeping.
    if (this.#body?.length === packBytes && spares.length === 0) spares.push(this.#body)
    this.#body = undefined
  }

  // Small backups stay small: the memory grows in steps up to a whole pack.
  #room(bytes: number, packBytes: number, spares: Buffer[]): Buffer {
    const needed = this.length + bytes
    const body = this.#body ?? spares.pop() ?? Buffer.allocUnsafeSlow(Math.max(bytes, FIRST_BYTES))
    this.#body = body
    if (body.length >= needed) return body
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(body.length * 4, packBytes)))
    body.copy(grown, 0, 0, this.length)
    this.#body = grown
    return grown
  }
}
