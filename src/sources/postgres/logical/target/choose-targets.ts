import { AppError } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  databaseInUrl,
  describeConnection,
  describeServer,
} from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { DatabaseSelection } from '../../../source.ts'

export interface ChosenDatabase {
  readonly database: ManifestServerDatabase
  /** What it shall be called. */
  readonly target: string
}

/**
 * A single database takes the name that the url gives; several keep theirs, on the server of a url that names none.
 * Throws `not-found` for one that the snapshot does not hold, `target-invalid` for several and a url that names one: who
 * wrote that name did not mean the living databases of the others.
 */
export function chooseTargets(
  request: { readonly target: string; readonly selection?: DatabaseSelection | undefined },
  all: readonly ManifestServerDatabase[],
): ChosenDatabase[] {
  const wanted = request.selection?.databases ?? []
  const missing = wanted.filter(name => all.every(database => database.name !== name))
  if (missing.length > 0) {
    throw new AppError('not-found', `the snapshot holds no database ${missing.join(', ')}`, {
      hint: `It holds: ${all.map(database => database.name).join(', ')}.`,
    })
  }
  const chosen = wanted.length === 0 ? all : all.filter(database => wanted.includes(database.name))
  const named = databaseInUrl(request.target)
  const [only] = chosen
  if (chosen.length === 1 && only && named !== undefined) return [{ database: only, target: named }]
  if (chosen.length > 1 && named !== undefined) throw severalIntoOne(named, chosen)
  return chosen.map(database => ({ database, target: database.name }))
}

function severalIntoOne(named: string, chosen: readonly ManifestServerDatabase[]): AppError {
  const names = chosen.map(database => database.name).join(', ')
  return new AppError('target-invalid', `${chosen.length} databases (${names}) cannot be restored to one, ${named}`, {
    hint: 'Choose one with --database NAME, or leave the database out of the url (postgres://HOST/) to restore each under its own name.',
  })
}

/** The target as it can be named again, without a password: one database, or the server of several. */
export function describeTargets(settings: ConnectionSettings, names: readonly string[]): string {
  const [only] = names
  return names.length === 1 && only !== undefined ? describeConnection(settings, only) : describeServer(settings)
}

/** Each database by a url of its own. */
export function placesOf(settings: ConnectionSettings, names: readonly string[]): string[] {
  return names.map(name => describeConnection(settings, name))
}
