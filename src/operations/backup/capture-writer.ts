import { Semaphore } from '../../base/concurrency.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import { type Manifest, type ManifestFile, SHA256_LIMIT_BYTES } from '../../model/manifest.ts'
import { formatManifest } from '../../model/manifest-schema.ts'
import type { Id, NodeMeta, TreeNode } from '../../model/node.ts'
import type { Writing, WrittenContent } from '../../repository/index.ts'
import type { Capture, CaptureEntry, CaptureSummary, Content, ParentSnapshot, ZeroRun } from '../../sources/source.ts'
import { CONFIGURATION_FILE, MANIFEST_FILE, MANIFEST_FOLDER } from '../browse/snapshot-tree.ts'
import type { FindNode } from './parent.ts'
import { TreeBuilder } from './tree-builder.ts'

/** Small files wait for nothing but each other's round trips, so several are under way at once. */
const FILES_AT_ONCE = 16
/** Reading so much takes longer than starting threads for it. */
const LONG_BYTES = 32 * 1024 * 1024

export interface BackupProgress {
  readonly bytesRead: number
  /**
   * Size of all that is read. Undefined while more may come: what was come across so far is read almost at once, and
   * would stand at "99 %" until the walk is over.
   */
  readonly totalBytes: number | undefined
  readonly bytesNew: number
  readonly bytesStored: number
  readonly files: number
  /** How many there were last time: about as many will come. */
  readonly filesBefore: number | undefined
}

export interface CaptureWriterRequest {
  readonly writing: Writing
  readonly capture: Capture
  readonly parent: ParentSnapshot | undefined
  /** As `FoundParent` has it. */
  readonly findAnywhere?: FindNode | undefined
  /** Names the source's folder in the snapshot. */
  readonly source: string
  /** Put each file, with its SHA-256, into the manifest. */
  readonly listFiles: boolean
  /** Kept beside the manifest. */
  readonly configuration?: string | undefined
  readonly signal: AbortSignal
  readonly now: Date
  readonly onProgress: ((progress: BackupProgress) => void) | undefined
  /** Called once after the last entry; its manifest becomes `/.lifeboat/manifest.json`. */
  readonly manifest: (captured: CapturedFiles) => Promise<{ manifest: Manifest; summary: CaptureSummary }>
}

export interface CapturedFiles {
  readonly manifestFiles: readonly ManifestFile[]
  readonly files: number
  readonly sizeBytes: number
}

export interface CapturedTree extends CapturedFiles {
  readonly root: Id
  readonly manifest: Manifest
  readonly summary: CaptureSummary
  /** Bytes of the manifest and the configuration, which no source was read for. */
  readonly ownBytes: number
  readonly counts: ChangeCounts
}

export interface ChangeCounts {
  readonly filesNew: number
  readonly filesChanged: number
  readonly filesUnmodified: number
  readonly dirsNew: number
  readonly dirsChanged: number
  readonly dirsUnmodified: number
}

/** Stores everything a capture yields as a tree, the manifest beside it. */
export async function writeCapture(request: CaptureWriterRequest): Promise<CapturedTree> {
  const writer = new CaptureWriter(request)
  const sourceTree = await writer.writeEntries()
  const { manifest, summary } = await request.manifest(writer)
  const own = await writeOwnFiles(request, manifest)
  const folder = { ...(sourceTree.meta ?? folderMeta(request.now)), name: request.source, subtree: sourceTree.id }
  const root = await request.writing.saveTree([
    own.folder,
    sourceTree.meta === undefined ? await asBefore(request, request.source, folder) : folder,
  ])
  return {
    root,
    manifest,
    summary,
    manifestFiles: writer.manifestFiles,
    files: writer.files,
    sizeBytes: writer.sizeBytes,
    ownBytes: own.bytes,
    counts: { ...writer.counts },
  }
}

class CaptureWriter {
  readonly manifestFiles: ManifestFile[] = []
  readonly counts = { filesNew: 0, filesChanged: 0, filesUnmodified: 0, dirsNew: 0, dirsChanged: 0, dirsUnmodified: 0 }
  files = 0
  sizeBytes = 0
  readonly #request: CaptureWriterRequest
  readonly #slots = new Semaphore(FILES_AT_ONCE)
  #expectedBytes: number | undefined = 0
  #isWalked = false

  constructor(request: CaptureWriterRequest) {
    this.#request = request
  }

  async writeEntries(): Promise<{ id: Id; meta: NodeMeta | undefined }> {
    const { capture, writing, signal } = this.#request
    const trees = new TreeBuilder(() => writing.startTree())
    for await (const entry of capture.entries()) {
      throwIfAborted(signal)
      trees.throwIfFailed()
      await trees.keepPace()
      if (entry.meta.type === 'dir') {
        trees.openDirectory(entry.path, entry.meta)
        await this.#countDirectory(entry)
        this.#report()
      } else {
        // The slot is taken before the next entry is pulled: a walk never runs ahead of the reading.
        await this.#slots.acquire()
        trees.add(
          entry.path,
          this.#writeNode(entry).finally(() => {
            this.#slots.release()
            entry.settled?.()
          }),
        )
      }
    }
    this.#isWalked = true
    return await trees.close()
  }

  async #writeNode(entry: CaptureEntry): Promise<TreeNode | undefined> {
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
    if (entry.meta.type !== 'file') return { ...entry.meta, name }
    if (entry.unchanged !== true && this.#wasLong(entry.path)) this.#request.writing.warmUp()
    const before = await this.#request.parent?.findNode(entry.path)
    const written = (await this.#reuse(entry, before)) ?? (await this.#read(entry, before))
    if (written === undefined) return undefined
    this.#countFile(entry.path, written, before)
    return { ...entry.meta, name, content: written.content, sizeBytes: written.sizeBytes }
  }

  async #reuse(entry: CaptureEntry, before: TreeNode | undefined): Promise<WrittenContent | undefined> {
    if (entry.unchanged !== true || before?.content === undefined || before.sizeBytes === undefined) return undefined
    if (!(await this.#request.writing.hasContent(before.content))) return undefined
    const sha256 = this.#parentSha256(entry.path)
    return { content: before.content, sizeBytes: before.sizeBytes, ...(sha256 === undefined ? {} : { sha256 }) }
  }

  /** As far as the parent's manifest tells, which lists the files of databases. */
  #wasLong(path: string): boolean {
    return (this.#parentFiles().get(path)?.sizeBytes ?? 0) >= LONG_BYTES
  }

  #parentSha256(path: string): string | undefined {
    return this.#parentFiles().get(path)?.sha256
  }

  #parentFilesByPath: ReadonlyMap<string, ManifestFile> | undefined

  #parentFiles(): ReadonlyMap<string, ManifestFile> {
    this.#parentFilesByPath ??= new Map(this.#request.parent?.manifest.files.map(file => [file.path, file]) ?? [])
    return this.#parentFilesByPath
  }

  async #read(entry: CaptureEntry, before: TreeNode | undefined): Promise<WrittenContent | undefined> {
    try {
      const content = await entry.open?.()
      if (content === undefined) return { content: [], sizeBytes: 0 }
      try {
        return await this.#write(content, before?.content, entry.isReadOften === true)
      } finally {
        await content.close()
      }
    } catch (error) {
      if (isAppError(error, 'entry-lost')) return undefined
      throw error
    }
  }

  #write(content: Content, before: readonly Id[] | undefined, isReadOften: boolean): Promise<WrittenContent> {
    const { writing, signal } = this.#request
    const { sizeBytes } = content
    this.#expect(sizeBytes)
    const watched = {
      sizeBytes,
      cut: content.cut,
      read: async (into: Uint8Array): Promise<number> => {
        throwIfAborted(signal)
        const count = await content.read(into)
        this.#report()
        return count
      },
      skip: (lengthBytes: number) => {
        throwIfAborted(signal)
        this.#report()
        return content.skip?.(lengthBytes)
      },
      zeros: content.zeros && this.#watchedZeros(content.zeros),
    }
    return writing.writeContent(watched, {
      before,
      isReadOften,
      sha256: this.#request.listFiles && sizeBytes !== undefined && sizeBytes <= SHA256_LIMIT_BYTES,
    })
  }

  #watchedZeros(zeros: ZeroRun): ZeroRun {
    return {
      aheadBytes: () => zeros.aheadBytes(),
      pass: lengthBytes => {
        throwIfAborted(this.#request.signal)
        this.#report()
        zeros.pass(lengthBytes)
      },
    }
  }

  #expect(sizeBytes: number | undefined): void {
    if (sizeBytes === undefined) this.#expectedBytes = undefined
    else if (this.#expectedBytes !== undefined) this.#expectedBytes += sizeBytes
  }

  /** All is known when the walk is over; or, of a database, when one file of it is most of what there is. */
  #totalBytes(bytesRead: number): number | undefined {
    if (this.#isWalked || this.#expectedBytes === undefined) return this.#expectedBytes
    return this.#request.listFiles && this.#expectedBytes - bytesRead >= LONG_BYTES ? this.#expectedBytes : undefined
  }

  #report(): void {
    const { onProgress, writing, parent } = this.#request
    onProgress?.({
      bytesRead: writing.progress.bytesRead,
      totalBytes: this.#totalBytes(writing.progress.bytesRead),
      bytesNew: writing.progress.bytesNew,
      bytesStored: writing.progress.bytesStored,
      files: this.files,
      filesBefore: parent?.manifest.totals.files,
    })
  }

  #countFile(path: string, written: WrittenContent, before: TreeNode | undefined): void {
    const { sizeBytes, sha256 } = written
    this.files += 1
    this.sizeBytes += sizeBytes
    if (this.#request.listFiles)
      this.manifestFiles.push({ path, sizeBytes, ...(sha256 === undefined ? {} : { sha256 }) })
    if (before === undefined) this.counts.filesNew += 1
    else if (sameContent(before.content, written.content)) this.counts.filesUnmodified += 1
    else this.counts.filesChanged += 1
    this.#report()
  }

  async #countDirectory(entry: CaptureEntry): Promise<void> {
    const before = await this.#request.parent?.findNode(entry.path)
    if (before === undefined) this.counts.dirsNew += 1
    else if (before.mtimeNs === entry.meta.mtimeNs) this.counts.dirsUnmodified += 1
    else this.counts.dirsChanged += 1
  }
}

function sameContent(a: readonly Id[] | undefined, b: readonly Id[]): boolean {
  return a !== undefined && a.length === b.length && a.every((id, index) => id === b[index])
}

/** The manifest, and the configuration as it is. */
async function writeOwnFiles(
  request: CaptureWriterRequest,
  manifest: Manifest,
): Promise<{ folder: TreeNode; bytes: number }> {
  const { configuration, writing } = request
  // In byte order of their names, as trees are.
  const texts = [
    ...(configuration === undefined ? [] : [[CONFIGURATION_FILE, configuration] as const]),
    [MANIFEST_FILE, formatManifest(sortFiles(manifest))] as const,
  ]
  const meta = folderMeta(request.now)
  const files: TreeNode[] = []
  for (const [name, text] of texts) {
    const file: TreeNode = { ...meta, type: 'file', mode: 0o600, name, ...(await writeText(writing, text)) }
    files.push(await asBefore(request, `${MANIFEST_FOLDER}/${name}`, file))
  }
  const folder = { ...meta, name: MANIFEST_FOLDER, subtree: await writing.saveTree(files) }
  return {
    folder: await asBefore(request, MANIFEST_FOLDER, folder),
    bytes: files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0),
  }
}

/**
 * What we made and what has no time of its own was changed when its content was: with the time of the backup, trees would
 * be stored anew each time although nothing has changed.
 *
 * @param path from the snapshot's root on
 */
async function asBefore({ findAnywhere }: CaptureWriterRequest, path: string, node: TreeNode): Promise<TreeNode> {
  const before = await findAnywhere?.(path)
  const isSame = before?.subtree === node.subtree && sameContent(before?.content ?? [], node.content ?? [])
  return before !== undefined && isSame ? { ...node, mtimeNs: before.mtimeNs } : node
}

async function writeText(writing: Writing, text: string): Promise<WrittenContent> {
  const bytes = Buffer.from(text)
  let at = 0
  const read = (into: Uint8Array): Promise<number> => {
    const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + into.length))
    at += count
    return Promise.resolve(count)
  }
  const readable = { sizeBytes: bytes.length, cut: { kind: 'content' }, read } as const
  const { content, sizeBytes } = await writing.writeContent(readable, { isKept: true, isReadOften: true })
  return { content, sizeBytes }
}

/** Files finish in no fixed order; a stable manifest is one that deduplicates. */
function sortFiles(manifest: Manifest): Manifest {
  return { ...manifest, files: manifest.files.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)) }
}

function folderMeta(now: Date): NodeMeta {
  return {
    type: 'dir',
    mode: 0o700,
    mtimeNs: BigInt(now.getTime()) * 1_000_000n,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  }
}
