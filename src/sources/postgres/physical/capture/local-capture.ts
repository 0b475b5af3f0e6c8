import type { BigIntStats } from 'node:fs'
import { type FileHandle, lstat, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import type { NodeMeta } from '../../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../../../source.ts'
import { type ClusterFacts, readClusterFacts } from '../cluster-facts.ts'
import { BACKUP_LABEL, BACKUP_MANIFEST, clusterProperties, TABLESPACE_MAP } from '../cluster-properties.ts'
import { CONTROL_FILE, readControlFile } from '../control-file.ts'
import { relationBlockBytes, SAMPLE_BYTES } from '../pages/block-size.ts'
import { PAGE_BYTES } from '../pages/page-checksum.ts'
import { type Connect, describeDamage, describeFacts, skippedFinding } from '../pages/page-findings.ts'
import { PageVerifier } from '../pages/page-verifier.ts'
import { Settling } from '../restore/settling.ts'
import { type ManifestedFile, writeBackupManifest } from '../verify/backup-manifest.ts'
import { listNeededWal, type NeededWal } from '../wal-files.ts'
import { bufferContent } from './buffer-content.ts'
import { ClusterFile } from './cluster-file.ts'
import { relationOf } from './cluster-files.ts'
import { manifestedBuffer, metaOf, openClusterFile, openWalFile, ownFileMeta } from './cluster-meta.ts'
import { type BackupEnd, LowLevelBackup, reserveWal } from './low-level-backup.ts'
import { type KnownFiles, openKnownFiles } from './unchanged.ts'
import { type ClusterEntry, walkCluster } from './walk-cluster.ts'

/** Starts a backup of the cluster whose data directory this process can read, by the low-level backup API. */
export async function startLocalCapture(
  source: string,
  connect: Connect,
  dataDir: string,
  request: CaptureRequest,
): Promise<Capture> {
  const session = await connect()
  try {
    const facts = await readClusterFacts(session)
    const known = await openKnownFiles(request.parent, facts.systemIdentifier, source)
    await reserveWal(session, `lifeboat_backup_${process.pid}_${slotSerial++}`, request.logger)
    const startedAtMs = request.clock.now().getTime()
    const backup = await LowLevelBackup.start(session, facts, `lifeboat ${source}`)
    return new LocalCapture({ source, connect, dataDir, request, session, facts, known, startedAtMs, backup })
  } catch (error) {
    await session.close()
    throw error
  }
}

let slotSerial = 0

interface LocalCaptureParts {
  readonly source: string
  readonly connect: Connect
  readonly dataDir: string
  readonly request: CaptureRequest
  readonly session: Session
  readonly facts: ClusterFacts
  readonly known: KnownFiles
  readonly startedAtMs: number
  readonly backup: LowLevelBackup
}

class LocalCapture implements Capture {
  readonly #parts: LocalCaptureParts
  readonly #verifier: PageVerifier | undefined
  readonly #reading = new Settling()
  readonly #files: ManifestedFile[] = []
  readonly #skipped: string[] = []
  #end: BackupEnd | undefined
  #closed = false

  constructor(parts: LocalCaptureParts) {
    this.#parts = parts
    const { checksums, pageBytes } = parts.facts
    this.#verifier = checksums && pageBytes === PAGE_BYTES ? new PageVerifier(parts.backup.startLsn) : undefined
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    const { dataDir, request, facts } = this.#parts
    const root = await stat(dataDir, { bigint: true })
    yield { path: '', meta: metaOf(root) }
    const isExcluded = (absolute: string): boolean => request.excludePaths.includes(absolute)
    for await (const entry of walkCluster(dataDir, { isExcluded, skipped: path => this.#skipped.push(path) })) {
      throwIfAborted(request.signal)
      if (entry.path === CONTROL_FILE) break
      yield entry.stats.isDirectory() ? { path: entry.path, meta: metaOf(entry.stats) } : await this.#fileEntry(entry)
    }
    // From here on the order is the whole point: all files, then the control file, then the end of the backup.
    await this.#reading.idle()
    throwIfAborted(request.signal)
    const control = await readControlFile(dataDir)
    this.#end = await this.#parts.backup.stop()
    const meta = metaOf(await stat(join(dataDir, CONTROL_FILE), { bigint: true }))
    yield this.#bufferEntry(CONTROL_FILE, control, meta)
    yield* this.#labelEntries(this.#end, metaOf(root))
    yield* this.#walEntries(await listNeededWal(dataDir, this.#end, facts.walSegmentBytes))
    yield this.#manifestEntry(this.#end, metaOf(root))
  }

  async finish(): Promise<CaptureSummary> {
    const { facts, connect, startedAtMs } = this.#parts
    const end = this.#end
    if (end === undefined) throw new AppError('failed', 'the backup was not read to its end')
    const damage = this.#verifier?.listDamage(end.stopLsn) ?? []
    const described = await describeDamage(damage, this.#parts.session, connect)
    return {
      capturedAt: end.stoppedAt,
      engineVersion: `PostgreSQL ${facts.version}`,
      database: clusterProperties(facts, end, startedAtMs),
      findings: [...described, ...describeFacts(facts), ...this.#skipped.map(skippedFinding)],
      complete: damage.length === 0,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // Ends the backup, if it still runs, and drops the temporary slot.
    await this.#parts.session.close()
  }

  async #fileEntry(entry: ClusterEntry): Promise<CaptureEntry> {
    const settled = this.#reading.begin()
    const known = await this.#parts.known.findUnchanged(entry.path, entry.stats)
    if (known !== undefined) this.#record(entry.path, entry.stats, known)
    return {
      path: entry.path,
      meta: metaOf(entry.stats),
      unchanged: known !== undefined,
      open: () => this.#open(entry, known === undefined),
      settled,
    }
  }

  /** @param isNew Put it into the backup's manifest when it was read. */
  async #open(entry: ClusterEntry, isNew: boolean): Promise<Content> {
    const file = await openClusterFile(join(this.#parts.dataDir, entry.path), entry.path)
    const stats = await file.stat({ bigint: true })
    return new ClusterFile(file, {
      path: entry.path,
      sizeBytes: Number(stats.size),
      blockBytes: relationOf(entry.path) && (await this.#blockBytes(file, entry.path)),
      verifier: this.#verifier,
      hashed: isNew && !this.#carriesChecksums(entry.path),
      onRead: isNew ? read => this.#record(entry.path, stats, read) : undefined,
    })
  }

  async #blockBytes(file: FileHandle, path: string): Promise<number> {
    const sample = Buffer.allocUnsafe(SAMPLE_BYTES)
    const { bytesRead } = await file.read(sample, 0, SAMPLE_BYTES, 0)
    return relationBlockBytes(sample.subarray(0, bytesRead), await this.#parts.request.parent?.findNode(path))
  }

  /**
   * Pages with checksums of their own need no second one: the manifest then has the file's size only. A SHA-256 of every
   * file would cost half a second of a core a GiB, and what is stored is checked by its blobs' hashes anyhow.
   */
  #carriesChecksums(path: string): boolean {
    return this.#verifier !== undefined && relationOf(path) !== undefined
  }

  #record(
    path: string,
    stats: BigIntStats,
    file: { readonly sizeBytes: number; readonly sha256: string | undefined },
  ): void {
    this.#files.push({ path, sizeBytes: file.sizeBytes, sha256: file.sha256, modifiedAt: stats.mtime })
  }

  #bufferEntry(path: string, bytes: Buffer, meta: NodeMeta): CaptureEntry {
    this.#files.push(manifestedBuffer(path, bytes, meta))
    return { path, meta, open: () => Promise.resolve(bufferContent(bytes)) }
  }

  *#labelEntries(end: BackupEnd, root: NodeMeta): Generator<CaptureEntry> {
    const meta = ownFileMeta(root, end.stoppedAt)
    yield this.#bufferEntry(BACKUP_LABEL, Buffer.from(end.labelText), meta)
    if (end.tablespaceMap === '') return
    // Not in the backup's manifest: a restore makes the links itself, and to other places when asked to.
    const bytes = Buffer.from(end.tablespaceMap)
    yield { path: TABLESPACE_MAP, meta, open: () => Promise.resolve(bufferContent(bytes)) }
  }

  async *#walEntries(needed: readonly NeededWal[]): AsyncGenerator<CaptureEntry> {
    const { dataDir } = this.#parts
    const folder = metaOf(await stat(join(dataDir, 'pg_wal'), { bigint: true }))
    yield { path: 'pg_wal', meta: folder }
    yield { path: 'pg_wal/archive_status', meta: folder }
    for (const { name, path } of needed) {
      const stats = await lstat(path, { bigint: true })
      yield { path: `pg_wal/${name}`, meta: metaOf(stats), open: () => openWalFile(name, path) }
    }
  }

  #manifestEntry(end: BackupEnd, root: NodeMeta): CaptureEntry {
    const { timeline, startLsn: start } = end.label
    const files = this.#files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
    const bytes = writeBackupManifest(files, { timeline, start, end: end.stopLsn })
    const meta = ownFileMeta(root, end.stoppedAt)
    return { path: BACKUP_MANIFEST, meta, isReadOften: true, open: () => Promise.resolve(bufferContent(bytes)) }
  }
}
