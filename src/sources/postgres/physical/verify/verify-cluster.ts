import { createHash } from 'node:crypto'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAppError, throwIfAborted } from '../../../../base/errors.ts'
import { type ConnectionSettings, withSession } from '../../../../clients/postgres/index.ts'
import type { CheckOutcome, SnapshotEntry, VerifyOutcome, VerifyRequest } from '../../../source.ts'
import { copyOfDatabases } from '../../restored-copy.ts'
import { relationOf } from '../capture/cluster-files.ts'
import { BACKUP_MANIFEST, textProperty } from '../cluster-properties.ts'
import { parseLsn } from '../log/wal.ts'
import { PAGE_BYTES } from '../pages/page-checksum.ts'
import { PageVerifier } from '../pages/page-verifier.ts'
import { restoreCluster } from '../restore/restore-cluster.ts'
import { ALL } from '../restore/restore-plan.ts'
import { recoverRestored } from '../restore/start-restored.ts'
import { readManifestFiles } from './backup-manifest.ts'

/** Reads all of a snapshot: files as its manifest lists them, pages by their own checksums. Needs no room. */
export async function verifyByReading(request: VerifyRequest): Promise<VerifyOutcome> {
  const { snapshot } = request
  const entries = await filesOf(request)
  const listed = await readListed(request, entries)
  const reading = new SnapshotReading(request)
  const problems: string[] = []
  for (const entry of entries.values()) {
    throwIfAborted(request.signal)
    const { sizeBytes, sha256 } = await reading.read(entry)
    const wanted = listed.get(entry.path)
    if (wanted && wanted.sizeBytes !== sizeBytes) problems.push(`${entry.path} has ${sizeBytes} bytes`)
    else if (sha256 !== undefined && wanted?.sha256 !== undefined && wanted.sha256 !== sha256)
      problems.push(`${entry.path} differs`)
  }
  for (const path of listed.keys()) if (!entries.has(path)) problems.push(`${path} is missing`)
  const expected = `${listed.size} files as in ${BACKUP_MANIFEST}`
  const passed = problems.length === 0 && listed.size > 0
  const found = listed.size === 0 ? `no ${BACKUP_MANIFEST}` : (problems[0] ?? expected)
  const known = new Set((snapshot.manifest?.findings ?? []).flatMap(finding => finding.affects ?? []))
  return {
    checks: [{ name: 'files', passed, expected, found }, ...reading.checkPages(known)],
    findings: [],
    bytesRead: reading.bytesRead,
  }
}

/** Restores a snapshot to a folder that is thrown away, and lets a server recover it. */
export async function verifyByRestore(request: VerifyRequest, binDir: string | undefined): Promise<VerifyOutcome> {
  const dir = await openScratch(request)
  try {
    const target = join(dir, 'cluster')
    const restore = { ...request, onRestored: undefined, target, include: [], force: false, delta: false, checks: true }
    const tablespaces = new Map([[ALL, join(dir, 'tablespaces')]])
    const { checks, findings, totalBytes } = await restoreCluster({ request: restore, tablespaces, binDir })
    const isSound = checks.every(check => check.passed)
    const recovered = isSound ? await checkRecovery(request, target, binDir) : []
    return { checks: [...checks, ...recovered], findings, bytesRead: totalBytes }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function checkRecovery(
  request: VerifyRequest,
  target: string,
  binDir: string | undefined,
): Promise<CheckOutcome[]> {
  const check = { name: 'recovery', expected: 'a server that starts' }
  const asserted: CheckOutcome[] = []
  const whileUp = async (connection: ConnectionSettings): Promise<void> => {
    asserted.push(...(await askCopy(request, connection)))
  }
  try {
    const { timeline } = await recoverRestored({ ...request, recovery: undefined }, target, binDir, whileUp)
    return [{ ...check, passed: true, found: `started on timeline ${timeline}` }, ...asserted]
  } catch (error) {
    if (!isAppError(error, 'tool-failed')) throw error
    return [{ ...check, passed: false, found: error.message }, ...asserted]
  }
}

/** PostgreSQL's own maintenance database; in many clusters it is empty. */
const MAINTENANCE_DATABASE = 'postgres'

/** Where the application's database is the only one beside PostgreSQL's own, it is the one that is meant. */
async function askCopy(request: VerifyRequest, settings: ConnectionSettings): Promise<readonly CheckOutcome[]> {
  const { onRestored, signal } = request
  if (onRestored === undefined) return []
  const rows = await withSession(settings, { database: 'template1', signal }, session =>
    session.query<{ name: string }>('SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate'),
  )
  const names = new Map(rows.map(({ name }) => [name, name]))
  const own = [...names.keys()].filter(name => name !== MAINTENANCE_DATABASE)
  const defaultDatabase = own.length === 1 && own[0] !== undefined ? own[0] : MAINTENANCE_DATABASE
  return await onRestored(copyOfDatabases({ settings, names, defaultDatabase, signal }))
}

/** Root's folders are closed to the user that a server runs as, so root gives it one of its own. */
async function openScratch(request: VerifyRequest): Promise<string> {
  const owner = request.snapshot.root
  if (process.getuid?.() !== 0 || owner === undefined) return await mkdtemp(join(request.scratchDir, 'verify-'))
  const dir = await mkdtemp(join(tmpdir(), 'lifeboat-verify-'))
  await chown(dir, owner.uid, owner.gid)
  return dir
}

async function filesOf({ snapshot }: VerifyRequest): Promise<Map<string, SnapshotEntry>> {
  const files = new Map<string, SnapshotEntry>()
  for await (const entry of snapshot.entries()) if (entry.node.type === 'file') files.set(entry.path, entry)
  return files
}

async function readListed(
  { snapshot }: VerifyRequest,
  entries: ReadonlyMap<string, SnapshotEntry>,
): Promise<ReturnType<typeof readManifestFiles>> {
  const manifest = entries.get(BACKUP_MANIFEST)
  if (manifest === undefined) return new Map()
  const parts: Buffer[] = []
  for await (const part of snapshot.read(manifest.node)) parts.push(part)
  return readManifestFiles(Buffer.concat(parts).toString('utf8'))
}

class SnapshotReading {
  bytesRead = 0
  readonly #request: VerifyRequest
  readonly #verifier: PageVerifier | undefined

  constructor(request: VerifyRequest) {
    this.#request = request
    const { manifest } = request.snapshot
    const start = parseLsn(textProperty(manifest, 'startLsn') ?? '')
    const hasChecksums = manifest?.database?.properties['dataChecksums'] === true
    this.#verifier = hasChecksums && start !== undefined ? new PageVerifier(start) : undefined
  }

  /** The SHA-256 of files that are no pages with checksums of their own. */
  async read({ path, node }: SnapshotEntry): Promise<{ sizeBytes: number; sha256: string | undefined }> {
    const hash = createHash('sha256')
    const relation = this.#verifier && relationOf(path)
    let sizeBytes = 0
    let rest: Buffer = Buffer.alloc(0)
    for await (const part of this.#request.snapshot.read(node)) {
      throwIfAborted(this.#request.signal)
      if (relation === undefined) hash.update(part)
      else {
        const bytes = rest.length === 0 ? part : Buffer.concat([rest, part])
        const whole = bytes.length - (bytes.length % PAGE_BYTES)
        const firstBlock = relation.firstBlock + (sizeBytes - rest.length) / PAGE_BYTES
        // There is nothing to read again: what is wrong is wrong.
        await this.#verifier?.verify(bytes.subarray(0, whole), { path, firstBlock }, () => Promise.resolve(true))
        rest = Buffer.from(bytes.subarray(whole))
      }
      sizeBytes += part.length
    }
    this.bytesRead += sizeBytes
    return { sizeBytes, sha256: relation === undefined ? hash.digest('hex') : undefined }
  }

  /** @param known Files that were damaged when they were captured: it was said then. */
  checkPages(known: ReadonlySet<string>): CheckOutcome[] {
    if (this.#verifier === undefined) return []
    const stop = parseLsn(textProperty(this.#request.snapshot.manifest, 'stopLsn') ?? '') ?? 0n
    const first = this.#verifier.listDamage(stop).find(damage => !known.has(damage.path))
    const expected = 'page checksums that are right'
    const found = first === undefined ? expected : `wrong in ${first.path}, block ${first.blocks.join(', ')}`
    return [{ name: 'pages', passed: first === undefined, expected, found }]
  }
}
