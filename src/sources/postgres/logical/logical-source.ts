import { AppError, isAppError } from '../../../base/errors.ts'
import { type ConnectionSettings, withSession } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { BackupType } from '../../../model/manifest.ts'
import type {
  Capture,
  CaptureRequest,
  Comparing,
  Merging,
  QuerySandbox,
  QuerySandboxRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceContext,
  SourcePlace,
  SourceTraits,
  VerifyOutcome,
  VerifyRequest,
} from '../../source.ts'
import type { SwappingTargets } from '../../target.ts'
import { connectionOf } from '../connection.ts'
import type { PostgresOptions } from '../options.ts'
import { readServerClock } from '../server-clock.ts'
import { DatabaseSnapshot } from './capture/database-snapshot.ts'
import { LockRoom } from './capture/lock-room.ts'
import { databaseLost, LogicalCapture } from './capture/logical-capture.ts'
import { onlyTables } from './capture/only-tables.ts'
import { probeLogical } from './probe-logical.ts'
import { restoreLogical } from './restore/restore-logical.ts'
import { verifyLogical } from './restore/verify-logical.ts'
import { chooseDatabases, fittingTools, isSuperuser } from './server-facts.ts'
import { checkFilter } from './tables/table-filter.ts'
import { LogicalTargets } from './target/logical-targets.ts'

const TYPES: readonly BackupType[] = ['full', 'incremental', 'differential', 'schema', 'data']

/** Databases of a PostgreSQL server, by pg_dump. */
export class LogicalSource implements Source {
  readonly kind = 'postgres'
  readonly name: string
  readonly traits: SourceTraits = {
    consistency: 'transactional',
    types: TYPES,
    wayBack: 'kept',
    targetSchemes: ['postgres', 'postgresql'],
    parts: ['tables', 'schemas', 'databases', 'paths'],
    changes: ['create', 'swap', 'in-place', 'rows'],
    rewrites: 'always',
    masks: true,
    queries: 'sandboxed',
  }
  readonly targets: SwappingTargets
  readonly merging: Merging
  readonly comparing: Comparing
  readonly #options: PostgresOptions
  readonly #place: SourcePlace

  constructor(name: string, options: PostgresOptions, place: SourcePlace) {
    this.name = name
    this.#options = options
    this.#place = place
    this.targets = new LogicalTargets(options, place)
    this.comparing = {
      compare: async request => {
        const { comparePostgres } = await import('./comparing/postgres-comparing.ts')
        return await comparePostgres(request, options, place)
      },
    }
    this.merging = {
      open: async request => {
        const { openPostgresMerging } = await import('./merging/postgres-merging.ts')
        return await openPostgresMerging(request, options, place)
      },
    }
  }

  async probe(context: SourceContext): Promise<Finding[]> {
    try {
      return await probeLogical(this.name, await this.#connection(), this.#options, context)
    } catch (error) {
      if (isAppError(error, 'interrupted') || !isAppError(error)) throw error
      const { message, hint } = error
      const code = error.code === 'tool-missing' ? 'client-unfit' : error.code
      return [{ severity: 'error', code, subject: `source ${this.name}`, message, ...(hint ? { hint } : {}) }]
    }
  }

  async readClock({ signal }: Pick<SourceContext, 'signal'>): Promise<Date> {
    return await readServerClock(await this.#connection(), signal)
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    if (!TYPES.includes(request.type)) {
      throw new AppError('unsupported', `source ${this.name} has no backups of type ${request.type}`, {
        hint: `Use one of: ${TYPES.join(', ')}.`,
      })
    }
    const settings = await this.#connection()
    const { options, chosen, tools, superuser } = await withSession(
      settings,
      { signal: request.signal },
      async session => ({
        options: await onlyTables(session, this.#options, request.tables),
        chosen: await chooseDatabases(session, this.#options),
        tools: await fittingTools(session, this.#options),
        superuser: await isSuperuser(session),
      }),
    )
    await checkFilter(settings, chosen.names, options, request.signal)
    const { snapshots, leftOut } = await takeSnapshots(settings, chosen.names, options, request)
    const findings = [...chosen.leftOut, ...leftOut]
    return new LogicalCapture({ settings, options, tools, request, snapshots, superuser, findings })
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreLogical(request, this.#options, this.#place)
  }

  async openQuerySandbox(request: QuerySandboxRequest): Promise<QuerySandbox> {
    const { openQuerySandbox } = await import('./query/query-sandbox.ts')
    return await openQuerySandbox(request, this.#options)
  }

  async verify(request: VerifyRequest): Promise<VerifyOutcome> {
    return await verifyLogical(request, this.#options)
  }

  async close(): Promise<void> {}

  async #connection(): Promise<ConnectionSettings> {
    return await connectionOf(this.#options, this.#place)
  }
}

/** All at once, so that their instants lie close together. One of several that can't be opened does not keep the others. */
async function takeSnapshots(
  settings: ConnectionSettings,
  names: readonly string[],
  options: PostgresOptions,
  request: CaptureRequest,
): Promise<{ snapshots: DatabaseSnapshot[]; leftOut: Finding[] }> {
  const { clock, signal } = request
  const { lockTimeoutSeconds } = options
  const lockRoom = new LockRoom()
  const results = await Promise.allSettled(
    names.map(database =>
      DatabaseSnapshot.take({ settings, database, filter: options, lockTimeoutSeconds, lockRoom, clock, signal }),
    ),
  )
  const snapshots = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.flatMap((result, at) =>
    result.status === 'rejected' ? [{ database: names[at] ?? '', error: result.reason as unknown }] : [],
  )
  const [first] = failed
  const isTheirs = failed.every(({ error }) => isAppError(error) && error.code !== 'interrupted')
  if (first === undefined || (snapshots.length > 0 && isTheirs)) {
    return { snapshots, leftOut: failed.map(({ database, error }) => databaseLost(database, error)) }
  }
  for (const snapshot of snapshots) await snapshot.close()
  throw first.error
}
