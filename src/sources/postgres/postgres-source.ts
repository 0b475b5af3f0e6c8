import { type ConnectionSettings, isPostgresUrl } from '../../clients/postgres/index.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType, Manifest } from '../../model/manifest.ts'
import type { ComparedTable } from '../../model/row-comparison.ts'
import type {
  Capture,
  CaptureRequest,
  Comparing,
  ComparingRequest,
  Merging,
  MergingPlace,
  MergingRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceContext,
  SourceLog,
  SourcePlace,
  SourceTraits,
  VerifyOutcome,
  VerifyRequest,
} from '../source.ts'
import type { TargetAccess, TargetRequest } from '../target.ts'
import { connectionOf } from './connection.ts'
import type { PostgresOptions } from './options.ts'
import { PostgresLog } from './physical/log/postgres-log.ts'
import { readServerClock } from './server-clock.ts'

type Mode = PostgresOptions['mode']

/** Both ways know how to prove that their snapshots come back. */
type VerifiableSource = Source & Required<Pick<Source, 'verify'>>

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
  readonly merging: Merging | undefined
  readonly comparing: Comparing | undefined
  readonly targets: TargetAccess
  readonly #options: PostgresOptions
  readonly #place: SourcePlace
  readonly #open = new Map<Mode, VerifiableSource>()

  constructor(name: string, options: PostgresOptions, place: SourcePlace) {
    this.name = name
    this.traits = {
      consistency: 'transactional',
      types: TYPES[options.mode],
      wayBack: 'kept',
      targetSchemes: ['postgres', 'postgresql'],
      parts: ['tables', 'schemas', 'databases'],
      rewrites: 'always',
      queries: 'trusted',
    }
    this.#options = options
    this.#place = place
    this.targets = this.#reachTargets()
    const { binDir, slot } = options
    const connection = (): Promise<ConnectionSettings> => connectionOf(options, place)
    this.merging = options.mode === 'logical' ? { open: request => this.#openMerging(request) } : undefined
    this.comparing = options.mode === 'logical' ? { compare: request => this.#compare(request) } : undefined
    this.log = options.mode === 'physical' ? new PostgresLog({ connection, binDir, slot }) : undefined
  }

  async probe(context: SourceContext): Promise<Finding[]> {
    return await (await this.#of(this.#options.mode)).probe(context)
  }

  async readClock({ signal }: Pick<SourceContext, 'signal'>): Promise<Date> {
    return await readServerClock(await connectionOf(this.#options, this.#place), signal)
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    return await (await this.#of(this.#options.mode)).capture(request)
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await (await this.#of(modeOf(request.snapshot.manifest) ?? this.#options.mode)).restore(request)
  }

  async #openMerging(request: MergingRequest): Promise<MergingPlace> {
    const { openPostgresMerging } = await import('./logical/merging/postgres-merging.ts')
    return await openPostgresMerging(request, this.#options, this.#place)
  }

  async #compare(request: ComparingRequest): Promise<readonly ComparedTable[]> {
    const { comparePostgres } = await import('./logical/comparing/postgres-comparing.ts')
    return await comparePostgres(request, this.#options, this.#place)
  }

  async verify(request: VerifyRequest): Promise<VerifyOutcome> {
    const source = await this.#of(modeOf(request.snapshot.manifest) ?? this.#options.mode)
    return await source.verify(request)
  }

  async close(): Promise<void> {
    for (const source of this.#open.values()) await source.close()
  }

  /** A place is looked at, and put back, by the way that the snapshot was taken. */
  #reachTargets(): TargetAccess {
    const of = async (request: TargetRequest): Promise<TargetAccess> => {
      const mode = modeOf(request.coming?.manifest) ?? (isPostgresUrl(request.target) ? 'logical' : this.#options.mode)
      return (await this.#of(mode)).targets
    }
    return {
      survey: async request => await (await of(request)).survey(request),
      putBack: async request => await (await of(request)).putBack(request),
      dropKept: async request => await (await of(request)).dropKept(request),
      writtenSince: async request => await (await of(request)).writtenSince(request),
      remove: async request => await (await of(request)).remove(request),
      settle: async request => await (await of(request)).settle(request),
    }
  }

  async #of(mode: Mode): Promise<VerifiableSource> {
    const source = this.#open.get(mode) ?? (await this.#make(mode))
    this.#open.set(mode, source)
    return source
  }

  async #make(mode: Mode): Promise<VerifiableSource> {
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

function modeOf(manifest: Manifest | undefined): Mode | undefined {
  const mode = manifest?.database?.properties['mode']
  return mode === 'physical' || mode === 'logical' ? mode : undefined
}
