import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { Id, TreeNode } from '../../src/model/node.ts'
import type { CheckContext } from '../../src/repository/check/check.ts'
import { ReadMemory } from '../../src/repository/check/read-memory.ts'
import { runVerifyJob } from '../../src/repository/check/verify-job.ts'
import type { BlobType } from '../../src/repository/contract/blob.ts'
import type { NewSnapshot } from '../../src/repository/contract/writing.ts'
import { Cipher } from '../../src/repository/crypto/cipher.ts'
import { openZstd } from '../../src/repository/crypto/zstd.ts'
import { RepositoryFiles } from '../../src/repository/files/repository-files.ts'
import { formatConfig } from '../../src/repository/format/config.ts'
import { fileKey } from '../../src/repository/format/file-keys.ts'
import { formatIndex, type IndexedPack } from '../../src/repository/format/index-file.ts'
import { formatKeyFile } from '../../src/repository/format/key-file.ts'
import { formatLockFile } from '../../src/repository/format/lock-file.ts'
import { formatPackHeader, type PackedBlob } from '../../src/repository/format/pack-header.ts'
import { formatSnapshot } from '../../src/repository/format/snapshot-file.ts'
import { formatTree } from '../../src/repository/format/tree.ts'
import { BlobIndex } from '../../src/repository/index-store/blob-index.ts'
import { blobId } from '../../src/repository/pack/blob.ts'
import { runRepackJob } from '../../src/repository/pack/repack-job.ts'
import type { PruneContext } from '../../src/repository/prune/context.ts'
import { runOpenJob } from '../../src/repository/read/open-job.ts'
import { runSiftJob } from '../../src/repository/read/sift-job.ts'
import { runCompareJob } from '../../src/repository/restore/compare-job.ts'
import { runWriteJob } from '../../src/repository/restore/write-job.ts'
import { runIndexJob } from '../../src/repository/write/index-job.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { MemoryStorage } from './memory-storage.ts'

const COMPRESSION = { level: 1 } as const

/**
 * A repository made byte by byte from the format's parts, without passwords and threads: fast enough to make hundreds,
 * and able to hold what a correct writer would never write. Jobs of the workers run in this thread.
 */
export class SmallRepository {
  readonly context: CheckContext & PruneContext
  #pending: { type: BlobType; id: Id; plaintext: Buffer }[] = []

  constructor(storage: Storage = new MemoryStorage()) {
    const keys = { encrypt: Buffer.alloc(32, 1), macK: Buffer.alloc(16, 2), macR: Buffer.alloc(16, 3) }
    const cipher = new Cipher(keys)
    const zstd = openZstd()
    const parts = { storage, version: 2 as const, cipher, zstd }
    this.context = {
      ...parts,
      files: new RepositoryFiles(parts),
      random: systemRandom,
      memory: new ReadMemory(undefined, systemRandom),
      clock: systemClock,
      turns: { exclusively: work => work(new AbortController().signal) },
      workers: {
        size: 2,
        warmUp: () => {},
        open: async job => runOpenJob(job, cipher, zstd),
        write: async job => runWriteJob(job, cipher, zstd),
        compare: async job => runCompareJob(job),
        verify: async job => runVerifyJob(job, cipher, zstd),
        sift: async job => runSiftJob(job, cipher, zstd),
        index: async job => runIndexJob(job, 2, cipher, zstd),
        repack: async job => runRepackJob(job, { version: 2, cipher, zstd }),
      },
    }
  }

  get storage(): Storage {
    return this.context.storage
  }

  /** Config, one key and one lock, as every repository in use has them. */
  async addSmallFiles(): Promise<void> {
    const config = formatConfig({ version: 2, id: 'a'.repeat(64), chunkerPolynomial: '25b468838dcb75' })
    await this.storage.save('config', this.context.cipher.seal(config))
    const key = formatKeyFile({
      created: new Date(0),
      username: 'u',
      hostname: 'h',
      n: 32768,
      r: 8,
      p: 1,
      salt: Buffer.alloc(64),
      data: Buffer.alloc(100),
    })
    await this.storage.save(fileKey('key', blobId(key)), key)
    const lock = {
      time: new Date(0),
      exclusive: false,
      hostname: 'h',
      username: 'u',
      pid: 1,
      uid: 0,
      gid: 0,
      processStart: undefined,
    }
    await this.context.files.save('lock', formatLockFile(lock))
  }

  addBlob(type: BlobType, plaintext: Buffer): Id {
    const id = blobId(plaintext)
    this.#pending.push({ type, id, plaintext })
    return id
  }

  addTree(nodes: readonly TreeNode[]): Id {
    return this.addBlob('tree', formatTree(nodes))
  }

  /** Stores what was added since, in one pack; the index is the caller's. */
  async savePack(): Promise<IndexedPack> {
    const { cipher, zstd } = this.context
    const parts: Buffer[] = []
    const blobs: PackedBlob[] = []
    let offset = 0
    for (const { type, id, plaintext } of this.#pending) {
      const compressed = Buffer.from(zstd.compress(plaintext, COMPRESSION))
      const smaller = compressed.length < plaintext.length
      const sealed = cipher.seal(smaller ? compressed : plaintext)
      const uncompressedLength = smaller ? plaintext.length : undefined
      blobs.push({ type, id, offset, length: sealed.length, uncompressedLength })
      parts.push(sealed)
      offset += sealed.length
    }
    this.#pending = []
    const header = cipher.seal(formatPackHeader(blobs))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(header.length)
    const bytes = Buffer.concat([...parts, header, length])
    const id = blobId(bytes)
    await this.storage.save(fileKey('pack', id), bytes)
    return { id, blobs }
  }

  async saveIndex(packs: readonly IndexedPack[]): Promise<Id> {
    return this.context.files.save('index', formatIndex(packs))
  }

  async saveSnapshot(tree: Id, time = new Date(0)): Promise<Id> {
    const snapshot: NewSnapshot = { time, tree, paths: ['/p'], hostname: 'h', username: 'u', tags: [] }
    return this.context.files.save('snapshot', formatSnapshot(snapshot))
  }

  async openIndex(): Promise<BlobIndex> {
    const index = new BlobIndex({ files: this.context.files, cacheDir: undefined, random: systemRandom })
    await index.refresh()
    return index
  }
}

export function fileNode(name: string, content: readonly Id[], sizeBytes: number): TreeNode {
  return { name, type: 'file', mode: 0o600, mtimeNs: 0n, uid: 0, gid: 0, content, sizeBytes }
}

export function folderNode(name: string, subtree: Id): TreeNode {
  return { name, type: 'dir', mode: 0o700, mtimeNs: 0n, uid: 0, gid: 0, subtree }
}
