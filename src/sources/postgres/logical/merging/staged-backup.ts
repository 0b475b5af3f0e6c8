import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import { systemRandom } from '../../../../base/random.ts'
import type { ConnectionSettings, PostgresTools, Session } from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { MergingRequest } from '../../../source.ts'
import { Archives } from '../archive/archives.ts'
import { stagingName } from '../database-names.ts'
import { requireExtensions } from '../restore/extensions.ts'
import { loadRowsOnly } from '../restore/load-archives.ts'
import { toolsFor } from '../restore/restore-logical.ts'
import { StagingDatabase } from '../restore/staging-database.ts'

export interface StagingRequest {
  readonly request: MergingRequest
  readonly settings: ConnectionSettings
  readonly admin: Session
  readonly binDir: string | undefined
  readonly jobs: number
}

/** Brings one database of the snapshot back beside the target: tables and rows, without keys and indexes. */
export async function stageBackup(staging: StagingRequest): Promise<StagingDatabase> {
  const { request, settings, admin } = staging
  const database = chooseDatabase(request, settings.database)
  const manifest = request.snapshot.manifest
  if (!manifest) throw notMergeable(request, 'has no manifest')
  await requireExtensions({ admin, database })
  const tools = await toolsFor(admin, manifest, staging.binDir)
  const archives = await Archives.of(request.snapshot)
  const name = stagingName(settings.database, systemRandom.bytes(4))
  const options = { owner: undefined, create: undefined, tablespace: undefined }
  const place = await StagingDatabase.create(admin, settings.database, name, database, options)
  try {
    await load({ ...staging, tools, archives, database, name })
    return place
  } catch (error) {
    await place.drop().catch(() => {})
    throw error
  }
}

/** The one that is named; else the one that is called as the target, or the only one. */
function chooseDatabase(request: MergingRequest, target: string): ManifestServerDatabase {
  const { manifest } = request.snapshot
  const all = manifest?.database?.databases
  if (all === undefined) throw notMergeable(request, 'is not of databases taken one by one')
  if (manifest?.type === 'schema' || manifest?.type === 'data') {
    throw notMergeable(request, `holds ${manifest.type === 'schema' ? 'no rows' : 'rows without their tables'}`)
  }
  const wanted = request.database ?? target
  const found = all.find(database => database.name === wanted)
  const [only] = all
  if (found) return found
  if (only && all.length === 1 && request.database === undefined) return only
  throw new AppError('not-found', `the snapshot holds no database ${wanted}`, {
    hint: `It holds: ${all.map(database => database.name).join(', ')}. Name one of them with --database.`,
  })
}

function notMergeable(request: MergingRequest, why: string): AppError {
  return new AppError('unsupported', `snapshot ${request.snapshot.id.slice(0, 8)} ${why}, and cannot be merged`, {
    hint: 'Choose a snapshot of type full, incremental or differential of a source of kind: postgres; see: lifeboat snapshots',
  })
}

interface Loading extends StagingRequest {
  readonly tools: PostgresTools
  readonly archives: Archives
  readonly database: ManifestServerDatabase
  readonly name: string
}

/** Owners, rights and comments mean nothing here, and only a superuser may set all of them. */
const WITHOUT = ['--no-owner', '--no-privileges', '--no-comments', '--no-security-labels', '--no-tablespaces']

/** Which functions or extensions are missing beside the rows does not matter: only rows are read out of it. */
async function load({ tools, archives, database, name, settings, request, jobs }: Loading): Promise<void> {
  throwIfAborted(request.signal)
  await loadRowsOnly({
    request: { ...request, checks: true },
    archives,
    type: 'full',
    database,
    target: database.name,
    settings,
    tools,
    jobs,
    into: name,
    more: WITHOUT,
    options: [settings.options, '-c synchronous_commit=off'].filter(Boolean).join(' '),
  })
}
