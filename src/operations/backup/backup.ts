import { withCleanUp } from '../../base/concurrency.ts'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Host } from '../../model/host.ts'
import { type Incomplete, incompleteOf } from '../../model/incomplete.ts'
import type { BackupType, Manifest } from '../../model/manifest.ts'
import { labelsToTags } from '../../model/recovery-point.ts'
import type { NewSnapshot, Repository, Snapshot, SnapshotSummary, Writing } from '../../repository/index.ts'
import type { Capture, CaptureSummary, ParentSnapshot, Source, SourceContext } from '../../sources/source.ts'
import { type BackupProgress, type CapturedFiles, type CapturedTree, writeCapture } from './capture-writer.ts'
import { type FindNode, findParent, isRelative } from './parent.ts'

export interface BackupRequest extends SourceContext {
  readonly source: Source
  readonly repository: Repository
  readonly type: BackupType
  /** Identifies the run in tags and the catalog. */
  readonly runId: string
  readonly tags: readonly string[]
  readonly host: Host
  /** `lifeboat 0.1.0`, into the snapshot. */
  readonly programVersion: string
  /** The configuration without its secrets, to be kept beside the manifest. */
  readonly configuration?: string | undefined
  /** Never captured: the repositories and our own state. Absolute. */
  readonly excludePaths: readonly string[]
  /** As in `CaptureRequest`. */
  readonly tables?: readonly string[] | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

export interface BackupResult {
  readonly run: string
  readonly source: string
  readonly kind: string
  readonly type: BackupType
  readonly snapshot: Snapshot
  readonly parent: string | undefined
  readonly files: number
  /** What a restore would write. */
  readonly sizeBytes: number
  /** Read from the source; unchanged content is not read. */
  readonly bytesRead: number
  /** Of these, what the repository did not have. */
  readonly bytesNew: number
  /** What that takes there, compressed and sealed. */
  readonly bytesStored: number
  readonly durationMs: number
  readonly findings: readonly Finding[]
  /** Those of them that the snapshot before has word for word; errors are news each time. */
  readonly knownFindings: readonly Finding[]
  /** False when something is missing from the snapshot or changed while it was read. */
  readonly complete: boolean
  /** What is missing or changed; undefined when it is complete. */
  readonly incomplete: Incomplete | undefined
}

export type { BackupProgress } from './capture-writer.ts'

/**
 * Takes one recovery point of one source into one repository. A type that is relative to an earlier snapshot where
 * there is none (or it can't be read, or the source skips nothing) becomes `full`, which the result, the manifest and the
 * tags then say.
 */
export async function backup(asked: BackupRequest): Promise<BackupResult> {
  requireType(asked.source, asked.type)
  const startedMs = asked.clock.monotonicMs()
  const startedAt = asked.clock.now()
  const writing = await asked.repository.startWriting({ signal: asked.signal })
  return withCleanUp(
    async () => {
      // Under the lock: no prune can take the parent away between here and its use.
      const { parent, findings, findAnywhere } = await findParent({ ...asked, writing })
      const request: BackupRequest = parent === undefined && isRelative(asked.type) ? { ...asked, type: 'full' } : asked
      const { type, excludePaths, tables } = request
      const capture = await request.source.capture({ ...context(request), type, parent, excludePaths, tables })
      const open = { writing, capture, parent, findAnywhere, parentFindings: findings, startedAt, startedMs }
      return withCleanUp(
        () => record(request, open),
        () => capture.close(),
      )
    },
    () => writing.abort(),
  )
}

interface OpenBackup {
  readonly writing: Writing
  readonly capture: Capture
  readonly parent: ParentSnapshot | undefined
  readonly findAnywhere: FindNode | undefined
  readonly parentFindings: readonly Finding[]
  readonly startedAt: Date
  readonly startedMs: number
}

async function record(request: BackupRequest, open: OpenBackup): Promise<BackupResult> {
  const { writing, capture, parent } = open
  const tree = await writeCapture({
    writing,
    capture,
    parent,
    findAnywhere: open.findAnywhere,
    source: request.source.name,
    listFiles: request.source.traits.consistency === 'transactional',
    configuration: request.configuration,
    signal: request.signal,
    now: request.clock.now(),
    onProgress: request.onProgress,
    manifest: async captured => manifestOf(request, open, captured, await capture.finish()),
  })
  throwIfAborted(request.signal)
  const snapshot = await writing.saveSnapshot(() => newSnapshot(request, open, tree))
  return {
    run: request.runId,
    source: request.source.name,
    kind: request.source.kind,
    type: request.type,
    snapshot,
    parent: parent?.id,
    files: tree.files,
    sizeBytes: tree.sizeBytes,
    bytesRead: writing.progress.bytesRead - tree.ownBytes,
    bytesNew: writing.progress.bytesNew,
    bytesStored: writing.progress.bytesStored,
    durationMs: Math.round(request.clock.monotonicMs() - open.startedMs),
    findings: tree.manifest.findings,
    knownFindings: tree.manifest.findings.filter(finding => isKnown(finding, parent?.manifest.findings ?? [])),
    complete: tree.summary.complete,
    incomplete: tree.manifest.incomplete,
  }
}

function isKnown(finding: Finding, before: readonly Finding[]): boolean {
  const { severity, code, subject, message } = finding
  if (severity === 'error') return false
  return before.some(each => each.code === code && each.subject === subject && each.message === message)
}

function manifestOf(
  request: BackupRequest,
  { parentFindings }: OpenBackup,
  captured: CapturedFiles,
  summary: CaptureSummary,
): { manifest: Manifest; summary: CaptureSummary } {
  const incomplete = summary.complete ? undefined : (summary.incomplete ?? incompleteOf(summary.findings))
  const manifest: Manifest = {
    format: 1,
    source: request.source.name,
    kind: request.source.kind,
    type: request.type,
    capturedAt: summary.capturedAt.toISOString(),
    consistency: request.source.traits.consistency,
    totals: { files: captured.files, sizeBytes: captured.sizeBytes },
    files: captured.manifestFiles,
    findings: [...summary.findings, ...parentFindings],
    ...(summary.engineVersion === undefined ? {} : { engineVersion: summary.engineVersion }),
    ...(summary.database === undefined ? {} : { database: summary.database }),
    ...(incomplete === undefined ? {} : { incomplete }),
  }
  return { manifest, summary }
}

function newSnapshot(request: BackupRequest, open: OpenBackup, tree: CapturedTree): NewSnapshot {
  const { source, host, type } = request
  const labels = {
    source: source.name,
    kind: source.kind,
    type,
    run: request.runId,
    incomplete: tree.manifest.incomplete?.count,
  }
  return {
    time: tree.summary.capturedAt,
    tree: tree.root,
    paths: [`/${source.name}`],
    hostname: host.hostname,
    username: host.username,
    uid: host.uid,
    gid: host.gid,
    tags: [...labelsToTags(labels), ...request.tags],
    programVersion: request.programVersion,
    summary: snapshotSummary(request, open, tree),
    ...(open.parent === undefined ? {} : { parent: open.parent.id }),
  }
}

function snapshotSummary(request: BackupRequest, open: OpenBackup, tree: CapturedTree): SnapshotSummary {
  const { progress } = open.writing
  return {
    backupStart: open.startedAt,
    backupEnd: request.clock.now(),
    ...tree.counts,
    dataBlobs: progress.dataBlobsNew,
    treeBlobs: progress.treeBlobsNew,
    dataAdded: progress.bytesNew,
    dataAddedPacked: progress.bytesStored,
    totalFilesProcessed: tree.files,
    totalBytesProcessed: tree.sizeBytes,
  }
}

/** `incremental` is what is asked for where nobody says: a source that can skip nothing reads everything then. */
function requireType(source: Source, type: BackupType): void {
  if (source.traits.types.includes(type) || type === 'incremental') return
  throw new AppError('unsupported', `source ${source.name} (${source.kind}) has no backups of type ${type}`, {
    hint: `Use one of: ${source.traits.types.join(', ')}.`,
  })
}

function context(request: BackupRequest): SourceContext {
  return { signal: request.signal, clock: request.clock, logger: request.logger, scratchDir: request.scratchDir }
}
