import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import { databaseInUrl, isPostgresUrl } from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { ComparedTable } from '../../../../model/row-comparison.ts'
import type { ComparedSide, ComparingRequest, SnapshotReader, SourcePlace } from '../../../source.ts'
import { connectionOf, targetConnection } from '../../connection.ts'
import type { PostgresOptions } from '../../options.ts'
import { Archives } from '../archive/archives.ts'
import { openArchivedRows } from './archived-rows.ts'
import { compareDatabases } from './compare-databases.ts'
import { openLiveRows } from './live-rows.ts'
import { NO_ROWS, type SideRows } from './side-rows.ts'

/** Each database after the other: what is live is of one instant in each, as in its backups. */
export async function comparePostgres(
  request: ComparingRequest,
  options: PostgresOptions,
  place: SourcePlace,
): Promise<readonly ComparedTable[]> {
  const all = databasesOf(request)
  const { databases = [] } = request
  const names = databases.length === 0 ? all : all.filter(name => databases.includes(name))
  const compared: ComparedTable[] = []
  for (const name of names) {
    throwIfAborted(request.signal)
    const prefix = all.length === 1 ? '' : `${name}.`
    const open = (side: ComparedSide): Promise<SideRows> => openSide({ request, options, place, name, names }, side)
    const before = await open(request.before)
    try {
      const after = await open(request.after)
      try {
        const { selects = () => true, listRows = 0, onTable = () => {} } = request
        const { scratchDir, signal } = request
        const both = { sides: { before, after }, selects, prefix, listRows, scratchDir, signal, onTable }
        compared.push(...(await compareDatabases(both)))
      } finally {
        await after.close()
      }
    } finally {
      await before.close()
    }
  }
  return compared.toSorted((a, b) => (a.table < b.table ? -1 : 1))
}

/** Those of the snapshots: what else is on the server is no part of the source. */
function databasesOf({ before, after }: ComparingRequest): string[] {
  const snapshots = [before, after].flatMap(side => ('snapshot' in side ? [side.snapshot] : []))
  return [...new Set(snapshots.flatMap(snapshot => capturedDatabases(snapshot).map(({ name }) => name)))]
}

function capturedDatabases({ id, manifest }: SnapshotReader): readonly ManifestServerDatabase[] {
  const databases = manifest?.database?.databases
  const why =
    databases === undefined
      ? 'is not of databases taken one by one'
      : manifest?.type === 'schema'
        ? 'holds no rows'
        : undefined
  if (databases !== undefined && why === undefined) return databases
  throw new AppError('unsupported', `snapshot ${id.slice(0, 8)} ${why}, and its rows cannot be compared`, {
    hint: 'Choose a snapshot of type full, incremental or differential of a source with mode: logical; see: lifeboat snapshots',
  })
}

interface Opening {
  readonly request: ComparingRequest
  readonly options: PostgresOptions
  readonly place: SourcePlace
  readonly name: string
  readonly names: readonly string[]
}

async function openSide({ request, options, place, name, names }: Opening, side: ComparedSide): Promise<SideRows> {
  const { signal } = request
  if ('snapshot' in side) {
    const captured = capturedDatabases(side.snapshot).find(each => each.name === name)
    return captured === undefined ? NO_ROWS : await openArchivedRows(await Archives.of(side.snapshot), captured)
  }
  const { target } = side
  if (target === undefined) {
    return await openLiveRows({ settings: await connectionOf(options, place), database: name, filter: options, signal })
  }
  if (!isPostgresUrl(target)) throw new AppError('unsupported', `${target} is no database whose rows can be compared`)
  // A single database takes the name that the url gives, as in a restore.
  const database = names.length === 1 ? (databaseInUrl(target) ?? name) : name
  return await openLiveRows({
    settings: await targetConnection(target, options, place),
    database,
    filter: options,
    signal,
  })
}
