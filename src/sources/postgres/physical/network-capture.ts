import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from '../../../base/child.ts'
import { AppError, throwIfAborted } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  type PostgresTools,
  requireSuccess,
  type Session,
  startTool,
} from '../../../clients/postgres/index.ts'
import type { NodeMeta } from '../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../../source.ts'
import { parseBackupLabel } from './backup-label.ts'
import { readManifestRange, type WalRange } from './backup-manifest.ts'
import { bufferContent } from './buffer-content.ts'
import { type ClusterFacts, readClusterFacts } from './cluster-facts.ts'
import { ClusterFile } from './cluster-file.ts'
import { cutOf } from './cluster-files.ts'
import { BACKUP_LABEL, BACKUP_MANIFEST, clusterProperties } from './cluster-properties.ts'
import { CONTROL_FILE } from './control-file.ts'
import { reserveWal } from './low-level-backup.ts'
import { describeDamage, describeFacts } from './page-findings.ts'
import type { PageDamage } from './page-verifier.ts'
import { Settling } from './settling.ts'
import { type TarMember, TarReader } from './tar-stream.ts'
import { openKnownFiles } from './unchanged.ts'

/** Files of `global` up to this size wait in memory, bigger ones in the scratch folder. */
const KEPT_IN_MEMORY_BYTES = 1024 * 1024

export interface NetworkCaptureRequest {
  readonly source: string
  readonly settings: ConnectionSettings
  readonly tools: PostgresTools
  readonly request: CaptureRequest
}

/** Starts a copy of the cluster by `pg_basebackup`, which sends it as one stream: nothing is kept on this machine. */
export async function startNetworkCapture(start: NetworkCaptureRequest): Promise<Capture> {
  const { settings, tools, request, source } = start
  const session = await openSession(settings, { signal: request.signal })
  try {
    const facts = await readClusterFacts(session)
    await requireNoTablespaces(session)
    await openKnownFiles(request.parent, facts.systemIdentifier, source)
    await reserveWal(session, `lifeboat_backup_${process.pid}_${Date.now()}`, request.logger)
    const startedAtMs = request.clock.now().getTime()
    const child = await startTool(tools, {
      tool: 'pg_basebackup',
      args: ['-D', '-', '-Ft', '-X', 'fetch', '-c', 'fast', '-l', `lifeboat ${source}`, '-w'],
      settings,
      signal: request.signal,
    })
    return new NetworkCapture({ start, session, facts, startedAtMs, child })
  } catch (error) {
    await session.close()
    throw error
  }
}

async function requireNoTablespaces(session: Session): Promise<void> {
  const rows = await session.query<{ name: string }>(
    "SELECT spcname AS name FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1",
  )
  if (rows.length === 0) return
  throw new AppError(
    'unsupported',
    `a cluster with tablespaces (${rows.map(row => row.name).join(', ')}) can not be copied over the network`,
    {
      hint: 'Run Lifeboat on the server, as the user that owns the data directory.',
    },
  )
}

interface NetworkParts {
  readonly start: NetworkCaptureRequest
  readonly session: Session
  readonly facts: ClusterFacts
  readonly startedAtMs: number
  readonly child: Child
}

class NetworkCapture implements Capture {
  readonly #parts: NetworkParts
  readonly #tar: TarReader
  readonly #reading = new Settling()
  readonly #held: CaptureEntry[] = []
  #range: WalRange | undefined
  #label = ''
  #end: { readonly stoppedAt: Date; readonly nextXid: string } | undefined
  #closed = false

  constructor(parts: NetworkParts) {
    this.#parts = parts
    this.#tar = new TarReader(into => parts.child.read(into))
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    let isFirst = true
    let walFolder: CaptureEntry | undefined
    for (let member = await this.#next(); member !== undefined; member = await this.#next()) {
      if (isFirst) yield { path: '', meta: rootMeta(member) }
      isFirst = false
      const { name } = member
      if (name === 'pg_wal') walFolder = folderEntry(member)
      else if (name === 'pg_wal/archive_status') continue
      else if (name === 'global' || name.startsWith('global/')) {
        await this.#hold(member)
        // The stream ends with the control file and the log; only then all of `global` is there.
        if (name === CONTROL_FILE) {
          yield* this.#held
          if (walFolder) yield* [walFolder, { ...walFolder, path: 'pg_wal/archive_status' }]
        }
      } else if (name === BACKUP_MANIFEST || name === BACKUP_LABEL) yield await this.#keepText(member)
      else if (member.type === 'dir') yield folderEntry(member)
      else if (member.type === 'file' && !name.startsWith('pg_wal/archive_status/')) yield this.#streamed(member)
    }
    await this.#finishCopy()
  }

  async finish(): Promise<CaptureSummary> {
    const { facts, startedAtMs, session, start } = this.#parts
    const [end, range] = [this.#end, this.#range]
    if (end === undefined || range === undefined) throw new AppError('failed', 'the backup was not read to its end')
    const damage = reportedDamage(this.#parts.child.stderr)
    const connect = (database?: string): Promise<Session> =>
      openSession(start.settings, { database, signal: start.request.signal })
    const label = { ...parseBackupLabel(this.#label), timeline: range.timeline, startLsn: range.start }
    return {
      capturedAt: end.stoppedAt,
      engineVersion: `PostgreSQL ${facts.version}`,
      database: clusterProperties(
        facts,
        { ...end, labelText: this.#label, tablespaceMap: '', label, stopLsn: range.end },
        startedAtMs,
      ),
      findings: [...(await describeDamage(damage, session, connect)), ...describeFacts(facts)],
      complete: damage.length === 0,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#parts.child.stop()
    await this.#parts.session.close()
  }

  /** The next member, when nobody reads the last one any more. A stream that is cut is explained by its tool's exit. */
  async #next(): Promise<TarMember | undefined> {
    await this.#reading.idle()
    throwIfAborted(this.#parts.start.request.signal)
    try {
      return await this.#tar.next()
    } catch (error) {
      await this.#requireCopied()
      throw error
    }
  }

  async #finishCopy(): Promise<void> {
    await this.#requireCopied()
    const [row] = await this.#parts.session.query<{ xid: string; ms: string }>(
      `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms`,
    )
    this.#end = { stoppedAt: new Date(Number(row?.ms)), nextXid: row?.xid ?? '' }
    if (this.#range === undefined) throw new AppError('source-invalid', 'the server sent no backup_manifest')
  }

  async #requireCopied(): Promise<void> {
    const { child, start } = this.#parts
    const exit = await child.wait()
    // Damaged pages make it fail although all was sent: they are findings.
    if (exit.code === 1 && onlyChecksumsFailed(child.stderr)) return
    requireSuccess(child, exit, { settings: start.settings, tool: 'pg_basebackup' }, 'copy the cluster')
  }

  #streamed(member: TarMember): CaptureEntry {
    const settled = this.#reading.begin()
    const content: Content = {
      sizeBytes: member.sizeBytes,
      cut: cutOf(member.name),
      read: async into => {
        try {
          return await this.#tar.read(into)
        } catch (error) {
          await this.#requireCopied()
          throw error
        }
      },
      close: () => Promise.resolve(),
    }
    return { path: member.name, meta: metaOf(member), open: () => Promise.resolve(content), settled }
  }

  async #hold(member: TarMember): Promise<void> {
    if (member.type === 'dir') return void this.#held.push(folderEntry(member))
    const open = member.sizeBytes <= KEPT_IN_MEMORY_BYTES ? await this.#inMemory(member) : await this.#onDisk(member)
    this.#held.push({ path: member.name, meta: metaOf(member), open })
  }

  async #inMemory(member: TarMember): Promise<() => Promise<Content>> {
    const bytes = await this.#readWhole(member)
    return () => Promise.resolve(bufferContent(bytes, cutOf(member.name)))
  }

  async #onDisk(member: TarMember): Promise<() => Promise<Content>> {
    const folder = join(this.#parts.start.request.scratchDir, 'global')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = join(folder, String(this.#held.length))
    await writeFile(file, this.#contentParts(), { mode: 0o600 })
    return async () =>
      new ClusterFile(await open(file, 'r'), {
        path: member.name,
        sizeBytes: member.sizeBytes,
        verifier: undefined,
        hashed: false,
        onRead: undefined,
      })
  }

  async *#contentParts(): AsyncGenerator<Buffer> {
    for (;;) {
      const part = Buffer.alloc(KEPT_IN_MEMORY_BYTES)
      const count = await this.#tar.read(part)
      if (count > 0) yield part.subarray(0, count)
      if (count < part.length) return
    }
  }

  async #keepText(member: TarMember): Promise<CaptureEntry> {
    const bytes = await this.#readWhole(member)
    if (member.name === BACKUP_LABEL) this.#label = bytes.toString('utf8')
    else this.#range = readManifestRange(bytes.toString('utf8'))
    return { path: member.name, meta: metaOf(member), open: () => Promise.resolve(bufferContent(bytes)) }
  }

  async #readWhole(member: TarMember): Promise<Buffer> {
    const bytes = Buffer.alloc(member.sizeBytes)
    await this.#tar.read(bytes)
    return bytes
  }
}

function metaOf(member: TarMember): NodeMeta {
  return {
    type: member.type === 'dir' ? 'dir' : 'file',
    mode: member.mode,
    mtimeNs: BigInt(member.modifiedAt) * 1_000_000_000n,
    uid: member.uid,
    gid: member.gid,
  }
}

function folderEntry(member: TarMember): CaptureEntry {
  return { path: member.name, meta: { ...metaOf(member), type: 'dir' } }
}

function rootMeta(member: TarMember): NodeMeta {
  return { ...metaOf(member), type: 'dir', mode: (member.mode & 0o040) !== 0 ? 0o750 : 0o700 }
}

const DAMAGED = /checksum verification failed in file "(?:\.\/)?([^"]+)", block (\d+)/

/** What the server said of damaged pages while it sent them; it names five of a file. */
function reportedDamage(stderr: string): PageDamage[] {
  const found = new Map<string, number[]>()
  for (const line of stderr.split('\n')) {
    const match = DAMAGED.exec(line)
    if (match?.[1] === undefined) continue
    found.set(match[1], [...(found.get(match[1]) ?? []), Number(match[2])])
  }
  return [...found].map(([path, blocks]) => ({ path, blocks, count: blocks.length }))
}

function onlyChecksumsFailed(stderr: string): boolean {
  const errors = stderr.split('\n').filter(line => /error:/.test(line))
  return errors.length > 0 && errors.every(line => /checksum error occurred/.test(line))
}
