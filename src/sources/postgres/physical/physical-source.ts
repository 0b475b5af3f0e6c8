import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../base/errors.ts'
import { type ConnectionSettings, openSession, type Session, withSession } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { Capture, CaptureRequest, RestoreOutcome, RestoreRequest, Source, SourceContext } from '../../source.ts'
import { type ClusterFacts, readClusterFacts } from './cluster-facts.ts'
import { readSystemIdentifier } from './control-file.ts'
import { startLocalCapture } from './local-capture.ts'
import { restoreCluster } from './restore-cluster.ts'

export interface PhysicalOptions {
  readonly settings: ConnectionSettings
  readonly binDir?: string | undefined
  /** Where this process sees the data directory, when not where the server does. */
  readonly dataDir?: string | undefined
}

/** A whole PostgreSQL cluster, as its files. */
export class PhysicalSource implements Source {
  readonly name: string
  readonly kind = 'postgres'
  readonly traits = { consistency: 'transactional', types: ['full', 'incremental', 'differential'] } as const
  readonly #options: PhysicalOptions

  constructor(name: string, options: PhysicalOptions) {
    this.name = name
    this.#options = options
  }

  async probe(_context: SourceContext): Promise<Finding[]> {
    return []
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    const connect = this.#connect(request)
    const facts = await withSession(this.#options.settings, { signal: request.signal }, readClusterFacts)
    const dataDir = this.#options.dataDir ?? facts.dataDir
    const reason = await whyNotLocal(facts, dataDir)
    if (reason !== undefined) throw new AppError('source-unreachable', reason)
    return await startLocalCapture(this.name, connect, dataDir, request)
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreCluster({
      request,
      tablespaces: request.tablespaces ?? new Map(),
      binDir: this.#options.binDir,
    })
  }

  async close(): Promise<void> {}

  #connect(request: SourceContext): (database?: string) => Promise<Session> {
    return database => openSession(this.#options.settings, { database, signal: request.signal })
  }
}

/** Why the data directory can't be read from here, or undefined when it can: it is there, and it is this server's. */
async function whyNotLocal(facts: ClusterFacts, dataDir: string): Promise<string | undefined> {
  if (dataDir === '') return 'the role may not know where the data directory is'
  try {
    const identifier = await readSystemIdentifier(dataDir)
    if (identifier === undefined) return `there is no data directory at ${dataDir}`
    if (identifier !== facts.systemIdentifier) return `${dataDir} is of another cluster`
    const lines = (await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')
    const apartMs = Math.abs(Number(lines[2]) * 1000 - facts.startedAtMs)
    return apartMs <= START_SLACK_MS ? undefined : `another server of the same cluster runs in ${dataDir}`
  } catch {
    return `the data directory ${dataDir} can't be read by this user`
  }
}

/** The server notes its start in its pid file a little before it counts itself as started. */
const START_SLACK_MS = 20_000
