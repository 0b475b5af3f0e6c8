import type { Manifest } from '../../model/manifest.ts'
import type { TreeNode } from '../../model/node.ts'
import type { Contents, FileToWrite, Snapshot } from '../../repository/index.ts'
import type { FileToRestore, RestoredBytes, SnapshotEntry, SnapshotReader } from '../../sources/source.ts'
import { getSourceRoot, loadManifest, SnapshotTree, sourceFolder } from '../browse/snapshot-tree.ts'

export interface SnapshotReaderRequest {
  readonly contents: Contents
  readonly snapshot: Snapshot
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: RestoredBytes) => void) | undefined
}

/** A reader of a snapshot with its manifest, if it has one. */
export async function openSnapshotReader(request: SnapshotReaderRequest): Promise<RepositorySnapshotReader> {
  const { contents, snapshot, signal, onProgress } = request
  const manifest = await loadManifest(contents, snapshot)
  const root = await findOwnRoot(contents, snapshot)
  return new RepositorySnapshotReader({ contents, snapshot, manifest, root, signal, onProgress })
}

/** Another program's snapshot has no folder of a source, and so none whose owner and mode the target should get. */
async function findOwnRoot(contents: Contents, snapshot: Snapshot): Promise<TreeNode | undefined> {
  if (sourceFolder(snapshot) === '') return undefined
  return await getSourceRoot(new SnapshotTree(contents, snapshot.tree), snapshot)
}

/** What a source sees of a snapshot when it restores: its own folder, nothing else. */
export class RepositorySnapshotReader implements SnapshotReader {
  readonly id: string
  readonly manifest: Manifest | undefined
  readonly root: TreeNode | undefined
  readonly #contents: Contents
  readonly #snapshot: Snapshot
  readonly #signal: AbortSignal
  readonly #onProgress: ((progress: RestoredBytes) => void) | undefined
  #finished: RestoredBytes = { totalBytes: 0, writtenBytes: 0 }

  constructor(options: {
    readonly contents: Contents
    readonly snapshot: Snapshot
    readonly manifest: Manifest | undefined
    readonly root: TreeNode | undefined
    readonly signal: AbortSignal
    readonly onProgress: ((progress: RestoredBytes) => void) | undefined
  }) {
    this.id = options.snapshot.id
    this.manifest = options.manifest
    this.root = options.root
    this.#contents = options.contents
    this.#snapshot = options.snapshot
    this.#signal = options.signal
    this.#onProgress = options.onProgress
  }

  async *entries(): AsyncGenerator<SnapshotEntry> {
    const tree = new SnapshotTree(this.#contents, this.#snapshot.tree)
    yield* tree.walk(await getSourceRoot(tree, this.#snapshot))
  }

  async restoreFiles(files: Iterable<FileToRestore>): Promise<RestoredBytes> {
    const before = this.#finished
    const done = await this.#contents.restoreFiles(toWrite(files), {
      signal: this.#signal,
      onProgress: now => this.#onProgress?.(sum(before, now)),
    })
    this.#finished = sum(before, done)
    return done
  }

  read(node: TreeNode): AsyncIterable<Buffer> {
    return this.#contents.readContent(node.content ?? [], this.#signal)
  }
}

function* toWrite(files: Iterable<FileToRestore>): Generator<FileToWrite> {
  for (const { node, path, delta } of files) {
    yield { content: node.content ?? [], sizeBytes: node.sizeBytes ?? 0, path, delta }
  }
}

function sum(a: RestoredBytes, b: RestoredBytes): RestoredBytes {
  return { totalBytes: a.totalBytes + b.totalBytes, writtenBytes: a.writtenBytes + b.writtenBytes }
}
