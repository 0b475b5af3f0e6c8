import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeName } from '../../src/base/bytes.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { isAppError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { BackupType, Manifest } from '../../src/model/manifest.ts'
import type { TreeNode } from '../../src/model/node.ts'
import type {
  Capture,
  CaptureEntry,
  CaptureSummary,
  Content,
  Cut,
  FileToRestore,
  ParentSnapshot,
  RestoredBytes,
  SnapshotReader,
  Source,
  SourceContext,
} from '../../src/sources/source.ts'

/** What a repository would hold of one capture, kept as plain files in a folder: a snapshot without a repository. */
export interface DrainedSnapshot {
  readonly id: string
  readonly manifest: Manifest
  readonly summary: CaptureSummary
  readonly entries: readonly DrainedEntry[]
  /** Sum of the bytes read from the source; entries that were taken from the parent read nothing. */
  readonly bytesRead: number
  readonly parent: ParentSnapshot
  readonly reader: SnapshotReader
}

export interface DrainedEntry {
  readonly path: string
  readonly node: TreeNode
  /** Where the bytes lie; files only. */
  readonly file: string | undefined
  readonly unchanged: boolean
  readonly cut: Cut | undefined
}

export interface DrainOptions {
  readonly type?: BackupType
  readonly parent?: DrainedSnapshot
  /** Size of the buffer given to `Content.read`. */
  readonly bufferBytes?: number
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly excludePaths?: readonly string[]
  readonly tables?: readonly string[] | undefined
  /** Called when the capture has started, before anything is read. */
  readonly onStarted?: (capture: Capture) => Promise<void>
  /** Read what is declared unchanged too. */
  readonly readUnchanged?: boolean
}

export async function makeTempDir(prefix = 'lifeboat-test-'): Promise<string> {
  return await mkdtemp(join(tmpdir(), prefix))
}

export async function removeDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true })
}

let serial = 0

/** A context with its own scratch folder inside `dir`. */
export async function makeContext(
  dir: string,
  signal = new AbortController().signal,
  clock: Clock = systemClock,
): Promise<SourceContext> {
  const scratchDir = join(dir, `scratch-${++serial}`)
  await mkdir(scratchDir, { recursive: true, mode: 0o700 })
  return { signal, clock, logger: silentLogger, scratchDir }
}

/** Captures `source` and reads all of it into files below `dir`. Closes the capture. */
export async function drain(source: Source, dir: string, options: DrainOptions = {}): Promise<DrainedSnapshot> {
  const type = options.type ?? 'full'
  const context = await makeContext(dir, options.signal, options.clock)
  const capture = await source.capture({
    ...context,
    type,
    parent: options.parent?.parent,
    excludePaths: options.excludePaths ?? [],
    tables: options.tables,
  })
  try {
    await options.onStarted?.(capture)
    const entries: DrainedEntry[] = []
    const state = { bytesRead: 0 }
    for await (const entry of capture.entries()) {
      const drained = await drainEntry(entry, dir, options, state)
        .catch(passUnlessLost)
        .finally(() => entry.settled?.())
      if (drained) entries.push(drained)
    }
    const summary = await capture.finish()
    return assemble(source, type, entries, summary, options.parent, state.bytesRead)
  } finally {
    await capture.close()
    await rm(context.scratchDir, { recursive: true, force: true })
  }
}

async function drainEntry(
  entry: CaptureEntry,
  dir: string,
  options: DrainOptions,
  state: { bytesRead: number },
): Promise<DrainedEntry> {
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
  const known = entry.unchanged ? options.parent?.entries.find(e => e.path === entry.path) : undefined
  if (known && !options.readUnchanged) return { ...known, node: { ...known.node, ...entry.meta }, unchanged: true }
  if (!entry.open) {
    return { path: entry.path, node: { ...entry.meta, name }, file: undefined, unchanged: false, cut: undefined }
  }
  const file = join(dir, `blob-${++serial}`)
  const content = await entry.open()
  const copied = await copyContent(content, file, options.bufferBytes ?? 1 << 20)
  state.bytesRead += copied.sizeBytes
  const node: TreeNode = { ...entry.meta, name, sizeBytes: copied.sizeBytes, content: [copied.sha256] }
  return { path: entry.path, node, file, unchanged: entry.unchanged === true, cut: content.cut }
}

/** An entry that was lost while it was read is left out; its finding comes with the summary. */
function passUnlessLost(error: unknown): undefined {
  if (!isAppError(error, 'entry-lost')) throw error
}

async function copyContent(
  content: Content,
  file: string,
  bufferBytes: number,
): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256')
  const out = await open(file, 'w')
  let sizeBytes = 0
  try {
    const buffer = Buffer.alloc(bufferBytes)
    for (;;) {
      const count = await content.read(buffer)
      hash.update(buffer.subarray(0, count))
      await out.writev([buffer.subarray(0, count)])
      sizeBytes += count
      if (count < bufferBytes) return { sizeBytes, sha256: hash.digest('hex') }
    }
  } finally {
    await out.close()
    await content.close()
  }
}

function assemble(
  source: Source,
  type: BackupType,
  entries: readonly DrainedEntry[],
  summary: CaptureSummary,
  parent: DrainedSnapshot | undefined,
  bytesRead: number,
): DrainedSnapshot {
  const id = createHash('sha256').update(`snapshot ${++serial}`).digest('hex')
  const files = entries.filter(e => e.file !== undefined)
  const manifest: Manifest = {
    format: 1,
    source: source.name,
    kind: source.kind,
    type,
    ...(summary.engineVersion === undefined ? {} : { engineVersion: summary.engineVersion }),
    capturedAt: summary.capturedAt.toISOString(),
    consistency: source.traits.consistency,
    ...(parent ? { parent: parent.id } : {}),
    totals: { files: files.length, sizeBytes: files.reduce((sum, e) => sum + (e.node.sizeBytes ?? 0), 0) },
    files: files.map(e => ({ path: e.path, sizeBytes: e.node.sizeBytes ?? 0, sha256: e.node.content?.[0] ?? '' })),
    ...(summary.database ? { database: summary.database } : {}),
    findings: summary.findings,
  }
  // Through JSON, as a repository would give it back.
  const stored: Manifest = JSON.parse(JSON.stringify(manifest)) as Manifest
  const reader = makeReader(id, stored, entries)
  return {
    id,
    manifest: stored,
    summary,
    entries,
    bytesRead,
    parent: {
      id,
      manifest: stored,
      findNode: path => Promise.resolve(entries.find(e => e.path === path)?.node),
      read: node => reader.read(node),
    },
    reader,
  }
}

export function makeReader(id: string, manifest: Manifest, entries: readonly DrainedEntry[]): SnapshotReader {
  const fileOf = (node: TreeNode): string => {
    const entry = entries.find(e => e.node === node)
    if (!entry?.file) throw new Error(`no content for ${node.name}`)
    return entry.file
  }
  return {
    id,
    manifest,
    root: entries.find(e => e.path === '')?.node,
    async *entries() {
      for (const entry of entries) if (entry.path !== '') yield { path: entry.path, node: entry.node }
    },
    async restoreFiles(files: Iterable<FileToRestore>): Promise<RestoredBytes> {
      let totalBytes = 0
      let writtenBytes = 0
      for (const file of files) {
        writtenBytes += await writeFileFrom(fileOf(file.node), file)
        totalBytes += file.node.sizeBytes ?? 0
      }
      return { totalBytes, writtenBytes }
    },
    read: node => createReadStream(fileOf(node)) as AsyncIterable<Buffer>,
  }
}

/** Block by block; with `delta` only blocks that differ are written. Returns the bytes written. */
async function writeFileFrom(stored: string, wanted: FileToRestore): Promise<number> {
  const from = await open(stored, 'r')
  const path = encodeName(wanted.path)
  const to = await open(path, 'r+').catch(() => open(path, 'w+'))
  let written = 0
  try {
    const block = Buffer.alloc(16_384)
    const there = Buffer.alloc(16_384)
    let position = 0
    for (;;) {
      const { bytesRead } = await from.read(block, 0, block.length, position)
      if (bytesRead === 0) break
      const old = wanted.delta ? (await to.read(there, 0, bytesRead, position)).bytesRead : -1
      if (old !== bytesRead || block.compare(there, 0, bytesRead, 0, bytesRead) !== 0) {
        await to.write(block, 0, bytesRead, position)
        written += bytesRead
      }
      position += bytesRead
    }
    await to.truncate(position)
    return written
  } finally {
    await from.close()
    await to.close()
  }
}
