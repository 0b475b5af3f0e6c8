import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError, systemCode } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  findPostgresTools,
  openSession,
  type Session,
  withSession,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type {
  Capture,
  CaptureRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceContext,
  SourceLog,
  SourceTraits,
  VerifyOutcome,
  VerifyRequest,
} from '../../source.ts'
import type { SwappingTargets } from '../../target.ts'
import { tablespacesOf } from '../restore-options.ts'
import { readServerClock } from '../server-clock.ts'
import { startLocalCapture } from './capture/local-capture.ts'
import { startNetworkCapture } from './capture/network-capture.ts'
import { type ClusterFacts, readClusterFacts } from './cluster-facts.ts'
import { readSystemIdentifier } from './control-file.ts'
import { PostgresLog } from './log/postgres-log.ts'
import { probeCluster } from './probe-cluster.ts'
import { restoreCluster } from './restore/restore-cluster.ts'
import { clusterTargets } from './target/cluster-targets.ts'
import { verifyByReading, verifyByRestore } from './verify/verify-cluster.ts'

export interface PhysicalOptions {
  /** Asked for at each use, so that a changed password file is seen. */
  readonly connection: () => Promise<ConnectionSettings>
  readonly binDir?: string | undefined
  /** Where this process sees the data directory, when not where the server does. */
  readonly dataDirectory?: string | undefined
  /** `auto`: from the data directory where it can be read, else over the network. */
  readonly copy?: 'auto' | 'local' | 'network' | undefined
  /** Replication slot of `wal receive`. */
  readonly slot?: string | undefined
}

const OLDEST_SERVER = 130_000

/** A whole PostgreSQL cluster, as its files. */
export class PhysicalSource implements Source {
  readonly name: string
  readonly kind = 'postgres-cluster'
  readonly traits: SourceTraits = {
    consistency: 'transactional',
    types: ['full', 'incremental', 'differential'],
    wayBack: 'kept',
    targetSchemes: [],
    parts: [],
    changes: ['create', 'swap', 'in-place'],
    rewrites: 'always',
    masks: false,
    queries: 'trusted',
  }
  readonly targets: SwappingTargets = clusterTargets
  readonly log: SourceLog
  readonly #options: PhysicalOptions

  constructor(name: string, options: PhysicalOptions) {
    this.name = name
    this.#options = options
    const { connection, binDir } = options
    this.log = new PostgresLog({ connection, binDir, slot: this.slot })
  }

  async probe(context: SourceContext): Promise<Finding[]> {
    const { signal } = context
    try {
      const settings = await this.#options.connection()
      return await withSession(settings, { signal }, async session => {
        const facts = await readClusterFacts(session)
        requireVersion(facts)
        const found = await probeCluster(session, facts, this.slot, await this.#whyNotLocal(facts))
        return [...found, ...(await this.#probePrograms(session))]
      })
    } catch (error) {
      if (isAppError(error, 'interrupted') || !isAppError(error)) throw error
      const { message, hint, code } = error
      return [{ severity: 'error', code, subject: `source ${this.name}`, message, ...(hint ? { hint } : {}) }]
    }
  }

  /** A capture needs none of PostgreSQL's programs; receiving the log and looking at what is restored do. */
  async #probePrograms(server: Session): Promise<Finding[]> {
    try {
      await findPostgresTools(server, this.#options.binDir)
      return []
    } catch (error) {
      if (!isAppError(error, 'tool-missing')) throw error
      const { message, hint } = error
      const finding = { severity: 'warning', code: 'client-unfit', subject: `source ${this.name}`, message } as const
      return [hint === undefined ? finding : { ...finding, hint }]
    }
  }

  async readClock({ signal }: Pick<SourceContext, 'signal'>): Promise<Date> {
    return await readServerClock(await this.#options.connection(), signal)
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    this.#requireType(request)
    const settings = await this.#options.connection()
    const { signal } = request
    const facts = await withSession(settings, { signal }, readClusterFacts)
    requireVersion(facts)
    const reason = await this.#whyNotLocal(facts)
    if (reason === undefined) {
      const connect = (database?: string) => openSession(settings, { database, signal })
      return await startLocalCapture(this.name, connect, this.#dataDirOf(facts), request)
    }
    if (this.#options.copy === 'local') {
      throw new AppError('source-unreachable', `cannot copy ${this.name} from its data directory: ${reason}`, {
        hint: 'Run Lifeboat on the server, as the user that owns the data directory, or set "copy: network".',
      })
    }
    request.logger.info(`copying ${this.name} over the network`, { reason })
    return await startNetworkCapture({ source: this.name, settings, request })
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreCluster({ request, tablespaces: tablespacesOf(request.own), binDir: this.#options.binDir })
  }

  async verify(request: VerifyRequest): Promise<VerifyOutcome> {
    return request.restore ? await verifyByRestore(request, this.#options.binDir) : await verifyByReading(request)
  }

  async close(): Promise<void> {}

  get slot(): string {
    return this.#options.slot ?? 'lifeboat'
  }

  #requireType(request: CaptureRequest): void {
    if (this.traits.types.includes(request.type)) return
    throw new AppError('unsupported', `source ${this.name} has no backups of type ${request.type}`, {
      hint: `Use one of: ${this.traits.types.join(', ')}; schema and data alone come from "kind: postgres".`,
    })
  }

  #dataDirOf(facts: ClusterFacts): string {
    return this.#options.dataDirectory ?? facts.dataDir
  }

  async #whyNotLocal(facts: ClusterFacts): Promise<string | undefined> {
    if (this.#options.copy === 'network') return 'the configuration says "copy: network"'
    return await whyNotLocal(facts, this.#dataDirOf(facts))
  }
}

function requireVersion(facts: ClusterFacts): void {
  if (facts.versionNumber >= OLDEST_SERVER) return
  throw new AppError('unsupported', `PostgreSQL ${facts.version} is too old for physical backups`, {
    hint: 'They need PostgreSQL 13 or newer; "kind: postgres" serves older servers.',
  })
}

/** The server notes its start in its pid file a little before it counts itself as started. */
const START_SLACK_MS = 20_000

/** Why the data directory can't be read from here, or undefined when it can: it is there, and it is this server's. */
async function whyNotLocal(facts: ClusterFacts, dataDir: string): Promise<string | undefined> {
  if (dataDir === '') return 'the role may not know where the data directory is (GRANT pg_read_all_settings)'
  try {
    const identifier = await readSystemIdentifier(dataDir)
    if (identifier === undefined) return `there is no data directory at ${dataDir} on this machine`
    if (identifier !== facts.systemIdentifier) return `${dataDir} on this machine is of another cluster`
    const lines = (await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')
    const apartMs = Math.abs(Number(lines[2]) * 1000 - facts.startedAtMs)
    return apartMs <= START_SLACK_MS ? undefined : `${dataDir} on this machine is of another server of the same cluster`
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EACCES' || code === 'EPERM') return `the data directory ${dataDir} cannot be read by this user`
    if (code === 'ENOENT') return `no server runs in ${dataDir} on this machine`
    throw error
  }
}
