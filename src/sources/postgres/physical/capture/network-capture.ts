import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError, throwIfAborted } from '../../../../base/errors.ts'
import { makeFolders } from '../../../../base/make-folders.ts'
import {
  type BackupPart,
  BaseBackup,
  type ConnectionSettings,
  openSession,
  type Session,
} from '../../../../clients/postgres/index.ts'
import type { NodeMeta } from '../../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../../../source.ts'
import { type ClusterFacts, readClusterFacts } from '../cluster-facts.ts'
import { BACKUP_LABEL, BACKUP_MANIFEST, clusterProperties, TABLESPACE_MAP } from '../cluster-properties.ts'
import { CONTROL_FILE } from '../control-file.ts'
import { describeDamage, describeFacts } from '../pages/page-findings.ts'
import type { PageDamage } from '../pages/page-verifier.ts'
import { Settling } from '../restore/settling.ts'
import { readManifestRange, type WalRange } from '../verify/backup-manifest.ts'
import { parseBackupLabel, writeTablespaceMap } from './backup-label.ts'
import { bufferContent } from './buffer-content.ts'
import { ClusterFile } from './cluster-file.ts'
import { cutOf } from './cluster-files.ts'
import { ownFileMeta } from './cluster-meta.ts'
import { reserveWal } from './low-level-backup.ts'
import { folderEntry, folderMeta, isWalFolder, memberMeta } from './member-meta.ts'
import { type TarMember, TarReader } from './tar-stream.ts'
import { openKnownFiles } from './unchanged.ts'

/** Files of `global` up to this size wait in memory, bigger ones in the scratch folder. */
const KEPT_IN_MEMORY_BYTES = 1024 * 1024

export interface NetworkCaptureRequest {
  readonly source: string
  readonly settings: ConnectionSettings
  readonly request: CaptureRequest
}

/** Starts a copy of the cluster that the server sends as one stream: nothing is kept on this machine. */
export async function startNetworkCapture(start: NetworkCaptureRequest): Promise<Capture> {
  const { settings, request, source } = start
  const { signal } = request
  const session = await openSession(settings, { signal })
  try {
    const facts = await readClusterFacts(session)
    await openKnownFiles(request.parent, facts.systemIdentifier, source)
    await reserveWal(session, `lifeboat_backup_${process.pid}_${Date.now()}`, request.logger)
    const startedAtMs = request.clock.now().getTime()
    const { versionNumber } = facts
    const backup = await BaseBackup.start({ settings, versionNumber, label: `lifeboat ${source}`, signal })
    return new NetworkCapture({ start, session, facts, startedAtMs, backup })
  } catch (error) {
    await session.close()
    throw error
  }
}

interface NetworkParts {
  readonly start: NetworkCaptureRequest
  readonly session: Session
  readonly facts: ClusterFacts
  readonly startedAtMs: number
  readonly backup: BaseBackup
}

const TABLESPACES = 'pg_tblspc'

class NetworkCapture implements Capture {
  readonly #parts: NetworkParts
  readonly #reading = new Settling()
  readonly #held: CaptureEntry[] = []
  #tar: TarReader
  /** Folders that are already in the tree. */
  readonly #opened = new Set<string>()
  #rootMeta: NodeMeta = { type: 'dir', mode: 0o700, mtimeNs: 0n, uid: 0, gid: 0 }
  #range: WalRange | undefined
  #label = ''
  #tablespaceMap = ''
  #end: { readonly stoppedAt: Date; readonly nextXid: string } | undefined
  #closed = false

  constructor(parts: NetworkParts) {
    this.#parts = parts
    this.#tar = this.#newTar()
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    for (let part = await this.#nextPart(); part !== undefined; part = await this.#nextPart()) {
      if (part.kind === 'manifest') yield await this.#manifestEntry()
      else if (part.kind === 'tablespace') yield* this.#tablespaceEntries(part.oid)
      else yield* this.#baseEntries()
    }
    await this.#finishCopy()
  }

  /** They come before the data directory that they are linked in. */
  async *#tablespaceEntries(oid: string): AsyncGenerator<CaptureEntry> {
    const root = `${TABLESPACES}/${oid}`
    for (let member = await this.#next(); member !== undefined; member = await this.#next()) {
      for (const folder of ['', TABLESPACES, root]) yield* this.#openFolder(folder, member)
      const moved = { ...member, name: `${root}/${member.name}` }
      if (member.type === 'dir') yield folderEntry(moved)
      else if (member.type === 'file') yield this.#streamed(moved)
    }
  }

  async *#baseEntries(): AsyncGenerator<CaptureEntry> {
    const walFolders: CaptureEntry[] = []
    for (let member = await this.#next(); member !== undefined; member = await this.#next()) {
      yield* this.#openFolder('', member)
      const { name, type } = member
      if (isWalFolder(member)) walFolders.push(folderEntry(member))
      else if (name === 'global' || name.startsWith('global/')) {
        await this.#hold(member)
        // The stream ends with the control file and the log; only then all of `global` is there.
        if (name === CONTROL_FILE) yield* [...this.#held, ...walFolders]
      } else if (name === BACKUP_LABEL) {
        yield* [await this.#labelEntry(member), ...this.#mapEntries(member)]
      } else if (name === TABLESPACES) yield* this.#openFolder(name, member)
      else if (type === 'dir') yield folderEntry(member)
      // Links are those of tablespaces; how far a file was archived is of no use to a copy.
      else if (type === 'file' && !name.startsWith('pg_wal/archive_status/')) yield this.#streamed(member)
    }
  }

  *#openFolder(path: string, like: TarMember): Generator<CaptureEntry> {
    if (this.#opened.has(path)) return
    this.#opened.add(path)
    const meta = folderMeta(like)
    if (path === '') this.#rootMeta = meta
    yield { path, meta }
  }

  async finish(): Promise<CaptureSummary> {
    const { facts, startedAtMs, session, start } = this.#parts
    const [end, range] = [this.#end, this.#range]
    if (end === undefined || range === undefined) throw new AppError('failed', 'the backup was not read to its end')
    const damage = reportedDamage(this.#parts.backup.warnings)
    const connect = (database?: string): Promise<Session> =>
      openSession(start.settings, { database, signal: start.request.signal })
    const label = { ...parseBackupLabel(this.#label), timeline: range.timeline, startLsn: range.start }
    return {
      capturedAt: end.stoppedAt,
      engineVersion: `PostgreSQL ${facts.version}`,
      database: clusterProperties(
        facts,
        { ...end, labelText: this.#label, tablespaceMap: this.#tablespaceMap, label, stopLsn: range.end },
        startedAtMs,
      ),
      findings: [...(await describeDamage(damage, session, connect)), ...describeFacts(facts)],
      complete: damage.length === 0,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#parts.backup.close()
    await this.#parts.session.close()
  }

  #newTar(): TarReader {
    return new TarReader(into => this.#parts.backup.read(into))
  }

  async #nextPart(): Promise<BackupPart | undefined> {
    await this.#settle()
    this.#tar = this.#newTar()
    return await this.#parts.backup.next().catch((error: unknown) => {
      // Damaged pages make it fail when all was sent: they are findings.
      if (!isAppError(error) || !this.#onlyPagesAreDamaged(error)) throw error
      return undefined
    })
  }

  /** The next member of an archive, when nobody reads the last one any more. */
  async #next(): Promise<TarMember | undefined> {
    await this.#settle()
    return await this.#tar.next()
  }

  async #settle(): Promise<void> {
    await this.#reading.idle()
    throwIfAborted(this.#parts.start.request.signal)
  }

  #onlyPagesAreDamaged(error: AppError): boolean {
    const isDamage = error.context['sqlState'] === DATA_CORRUPTED
    return isDamage && this.#range !== undefined && reportedDamage(this.#parts.backup.warnings).length > 0
  }

  async #finishCopy(): Promise<void> {
    const [row] = await this.#parts.session.query<{ xid: string; ms: string }>(
      `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid,
       ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms`,
    )
    this.#end = { stoppedAt: new Date(Number(row?.ms)), nextXid: row?.xid ?? '' }
    if (this.#range === undefined) throw new AppError('source-invalid', 'the server sent no backup_manifest')
  }

  #streamed(member: TarMember): CaptureEntry {
    const settled = this.#reading.begin()
    const content: Content = {
      sizeBytes: member.sizeBytes,
      cut: cutOf(member.name),
      read: into => this.#tar.read(into),
      close: () => Promise.resolve(),
    }
    return { path: member.name, meta: memberMeta(member), open: () => Promise.resolve(content), settled }
  }

  async #hold(member: TarMember): Promise<void> {
    if (member.type === 'dir') return void this.#held.push(folderEntry(member))
    const open = member.sizeBytes <= KEPT_IN_MEMORY_BYTES ? await this.#inMemory(member) : await this.#onDisk(member)
    this.#held.push({ path: member.name, meta: memberMeta(member), open })
  }

  async #inMemory(member: TarMember): Promise<() => Promise<Content>> {
    const bytes = await this.#readWhole(member)
    return () => Promise.resolve(bufferContent(bytes, cutOf(member.name)))
  }

  async #onDisk(member: TarMember): Promise<() => Promise<Content>> {
    const folder = join(this.#parts.start.request.scratchDir, 'global')
    await makeFolders(folder, 0o700)
    const file = join(folder, String(this.#held.length))
    await writeFile(
      file,
      this.#contentParts(into => this.#tar.read(into)),
      { mode: 0o600 },
    )
    return async () =>
      new ClusterFile(await open(file, 'r'), {
        path: member.name,
        sizeBytes: member.sizeBytes,
        verifier: undefined,
        hashed: false,
        onRead: undefined,
      })
  }

  async *#contentParts(read: (into: Uint8Array) => Promise<number>): AsyncGenerator<Buffer> {
    for (;;) {
      const part = Buffer.alloc(KEPT_IN_MEMORY_BYTES)
      const count = await read(part)
      if (count > 0) yield part.subarray(0, count)
      if (count < part.length) return
    }
  }

  async #labelEntry(member: TarMember): Promise<CaptureEntry> {
    const bytes = await this.#readWhole(member)
    this.#label = bytes.toString('utf8')
    return { path: member.name, meta: memberMeta(member), open: () => Promise.resolve(bufferContent(bytes)) }
  }

  /** As in a local copy: not in the backup's manifest, since a restore may make the links to other places. */
  *#mapEntries(label: TarMember): Generator<CaptureEntry> {
    this.#tablespaceMap = writeTablespaceMap(this.#parts.backup.tablespaces)
    if (this.#tablespaceMap === '') return
    const bytes = Buffer.from(this.#tablespaceMap)
    yield { path: TABLESPACE_MAP, meta: memberMeta(label), open: () => Promise.resolve(bufferContent(bytes)) }
  }

  async #manifestEntry(): Promise<CaptureEntry> {
    const parts: Buffer[] = []
    for await (const part of this.#contentParts(into => this.#parts.backup.read(into))) parts.push(part)
    const bytes = Buffer.concat(parts)
    this.#range = readManifestRange(bytes.toString('utf8'))
    const meta = ownFileMeta(this.#rootMeta, this.#parts.start.request.clock.now())
    return { path: BACKUP_MANIFEST, meta, isReadOften: true, open: () => Promise.resolve(bufferContent(bytes)) }
  }

  async #readWhole(member: TarMember): Promise<Buffer> {
    const bytes = Buffer.alloc(member.sizeBytes)
    await this.#tar.read(bytes)
    return bytes
  }
}

const DATA_CORRUPTED = 'XX001'
const DAMAGED = /checksum verification failed in file "(?:\.\/)?([^"]+)", block (\d+)/

/** What the server said of damaged pages while it sent them; it names five of a file. */
function reportedDamage(warnings: readonly string[]): PageDamage[] {
  const found = new Map<string, number[]>()
  for (const warning of warnings) {
    const match = DAMAGED.exec(warning)
    if (match?.[1] === undefined) continue
    found.set(match[1], [...(found.get(match[1]) ?? []), Number(match[2])])
  }
  return [...found].map(([path, blocks]) => ({ path, blocks, count: blocks.length }))
}
