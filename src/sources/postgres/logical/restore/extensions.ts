import { AppError } from '../../../../base/errors.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { DatabaseRestore } from './database-restore.ts'

/** Why the server can't take a database: extensions that it has not. Undefined when it has all. */
export async function missingExtensions(
  admin: Session,
  database: ManifestServerDatabase,
): Promise<{ readonly names: readonly string[]; readonly message: string; readonly hint: string } | undefined> {
  const wanted = database.extensions.map(extension => extension.name)
  if (wanted.length === 0) return undefined
  const rows = await admin.query<{ name: string }>('SELECT name FROM pg_available_extensions')
  const there = new Set(rows.map(row => row.name))
  const names = wanted.filter(name => !there.has(name))
  if (names.length === 0) return undefined
  const major = Math.floor(admin.versionNumber / 10_000)
  return {
    names,
    message: `the server lacks the extension ${names.join(', ')} of database ${database.name}`,
    hint: `Install it on the server: ${names.map(name => packageOf(name, major)).join('; ')}.`,
  }
}

export async function requireExtensions({
  admin,
  database,
}: Pick<DatabaseRestore, 'admin' | 'database'>): Promise<void> {
  const lacking = await missingExtensions(admin, database)
  if (lacking === undefined) return
  throw new AppError('target-invalid', lacking.message, { hint: lacking.hint, context: { missing: lacking.names } })
}

function packageOf(extension: string, major: number): string {
  const names: Record<string, string> = {
    vector: 'pgvector',
    postgis: 'postgis-3',
    pg_cron: 'cron',
    pg_repack: 'repack',
  }
  return `apt-get install postgresql-${major}-${names[extension] ?? extension}`
}
