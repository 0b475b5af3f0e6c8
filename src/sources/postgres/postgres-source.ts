import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../clients/postgres/index.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType } from '../../model/manifest.ts'
import type {
  Capture,
  CaptureRequest,
  RestoreOutcome,
  RestoreRequest,
  SnapshotReader,
  Source,
  SourceContext,
  SourceLog,
  SourcePlace,
  SourceTraits,
  VerifyOutcome,
  VerifyRequest,
} from '../source.ts'
import { connectionOf } from './connection.ts'
import type { PostgresOptions } from './options.ts'
import { PostgresLog } from './physical/postgres-log.ts'

type Mode = PostgresOptions['mode']

const TYPES: Readonly<Record<Mode, readonly BackupType[]>> = {
  logical: ['full', 'incremental', 'differential', 'schema', 'data'],
  physical: ['full', 'incremental', 'differential'],
}

/** One kind of source, two ways to take it. A snapshot is restored the way it was taken, whatever the options say now. */
export class PostgresSource implements Source {
  readonly kind = 'postgres'
  readonly name: string
  readonly traits: SourceTraits
  readonly log: SourceLog | undefined
  readonly #options: PostgresOptions
  readonly #place: SourcePlace
  readonly #open = new Map<Mode, Source>()

  constructor(name: string, options: PostgresOptions, place: SourcePlace) {
    this.name = name
    this.traits = { consistency: 'transactional', types: TYPES[options.mode] }
    this.#options = options
    this.#place = place
    const { binDir, slot } = options
    const connection = (): Promise<ConnectionSettings> => connectionOf(options, place)
    this.log = options.mode === 'physical' ? new PostgresLog({ connection, binDir, slot }) : undefined
  }

  async probe(context: SourceContext): Promise<Finding[]> {
    return await (await this.#of(this.#options.mode)).probe(context)
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    return await (await this.#of(this.#options.mode)).capture(request)
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await (await this.#of(modeOf(request.snapshot) ?? this.#options.mode)).restore(request)
  }

  async verify(request: VerifyRequest): Promise<VerifyOutcome> {
    const source = await this.#of(modeOf(request.snapshot) ?? this.#options.mode)
    if (source.verify !== undefined) return await source.verify(request)
    return await this.#verifyByRestore(source, request)
  }

  /** The copy is checked by pg_verifybackup and thrown away. */
  async #verifyByRestore(source: Source, request: VerifyRequest): Promise<VerifyOutcome> {
    if (!request.restore) {
      throw new AppError('unsupported', 'a physical snapshot is verified by restoring it', {
        hint: 'Say --restore (it needs as much room as the cluster), or "lifeboat check --read-data" to read all bytes.',
      })
    }
    const dir = await mkdtemp(join(request.scratchDir, 'verify-'))
    try {
      const { signal, clock, logger, scratchDir, snapshot } = request
      const target = join(dir, 'cluster')
      const outcome = await source.restore({
        signal,
        clock,
        logger,
        scratchDir,
        snapshot,
        target,
        force: false,
        delta: false,
        checks: true,
        include: [],
      })
      return { checks: outcome.checks, findings: outcome.findings, bytesRead: outcome.totalBytes }
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }

  async close(): Promise<void> {
    for (const source of this.#open.values()) await source.close()
  }

  async #of(mode: Mode): Promise<Source> {
    const source = this.#open.get(mode) ?? (await this.#make(mode))
    this.#open.set(mode, source)
    return source
  }

  async #make(mode: Mode): Promise<Source> {
    if (mode === 'logical') {
      const { LogicalSource } = await import('./logical/logical-source.ts')
      return new LogicalSource(this.name, this.#options, this.#place)
    }
    const { PhysicalSource } = await import('./physical/physical-source.ts')
    return new PhysicalSource(this.name, {
      ...this.#options,
      connection: () => connectionOf(this.#options, this.#place),
    })
  }
}

function modeOf(snapshot: SnapshotReader): Mode | undefined {
  const mode = snapshot.manifest?.database?.properties['mode']
  return mode === 'physical' || mode === 'logical' ? mode : undefined
}
