import { AppError } from '../../../base/errors.ts'
import { databaseInUrl } from '../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../model/manifest.ts'
import type { DatabaseSelection } from '../../source.ts'

export interface ChosenDatabase {
  readonly database: ManifestServerDatabase
  /** What it shall be called. */
  readonly target: string
}

/**
 * A single database takes the name that the url gives; several keep theirs. Throws `not-found` for one that the snapshot
 * does not hold.
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
  return chosen.map(database => ({ database, target: database.name }))
}
