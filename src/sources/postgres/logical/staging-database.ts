import { AppError, isAppError } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  quoteIdentifier,
  quoteLiteral,
  type Session,
  withSession,
} from '../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../model/manifest.ts'
import { isStagingName, keptName } from './database-names.ts'

const INVALID_LOCALE =
  /invalid (?:LC_COLLATE |LC_CTYPE )?locale name|new (?:collation|LC_CTYPE)|encoding .* does not match locale/i

/**
 * A database beside the target, in which a restore is made and checked before it takes the target's name. Whoever dies
 * before that leaves a database that the next restore removes: it is locked by name as long as its maker lives.
 */
export class StagingDatabase {
  readonly name: string
  /** The collation is not the one that the database had. */
  readonly otherCollation: boolean
  readonly #admin: Session

  private constructor(admin: Session, name: string, otherCollation: boolean) {
    this.#admin = admin
    this.name = name
    this.otherCollation = otherCollation
  }

  static async create(
    admin: Session,
    target: string,
    name: string,
    like: ManifestServerDatabase,
    options: { readonly owner: string | undefined; readonly create: string | undefined },
  ): Promise<StagingDatabase> {
    await removeLeftovers(admin, target)
    await admin.query(`SELECT pg_advisory_lock(${lockKey(name)})`)
    const owned = options.owner === undefined ? '' : ` OWNER = ${quoteIdentifier(options.owner)}`
    const create = `CREATE DATABASE ${quoteIdentifier(name)} WITH${owned}`
    const encoding = `TEMPLATE = template0 ENCODING = ${quoteLiteral(like.encoding)}`
    const locale = `LC_COLLATE = ${quoteLiteral(like.collation)} LC_CTYPE = ${quoteLiteral(like.characterType)}`
    try {
      await admin.query(`${create} ${options.create ?? `${encoding} ${locale}`}`)
      return new StagingDatabase(admin, name, false)
    } catch (error) {
      if (!(error instanceof Error) || !INVALID_LOCALE.test(error.message)) throw error
      await admin.query(`${create} ${encoding} LC_COLLATE = 'C' LC_CTYPE = 'C'`)
      return new StagingDatabase(admin, name, true)
    }
  }

  /** Gives it the target's name; a database that has it is renamed first, in the same transaction, and its sessions end. */
  async takePlaceOf(target: string, now: Date): Promise<string | undefined> {
    const kept = (await databaseExists(this.#admin, target)) ? keptName(target, now) : undefined
    const rename = (from: string, to: string): string =>
      `ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)};`
    const swap = kept === undefined ? rename(this.name, target) : rename(target, kept) + rename(this.name, target)
    const ending = kept === undefined ? undefined : endSessions(this.#admin.settings, this.#admin.database, target)
    try {
      await this.#admin.query(`BEGIN; ${swap} COMMIT`)
    } catch (error) {
      await this.#admin.query('ROLLBACK')
      throw error
    } finally {
      await ending?.stop()
    }
    return kept
  }

  /** When the restore failed or was interrupted: on a connection of its own, for the other one may be gone with it. */
  async drop(): Promise<void> {
    const { settings, database } = this.#admin
    await withSession(settings, { database }, async session => {
      await session.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(this.name)} WITH (FORCE)`)
    })
  }
}

export async function databaseExists(session: Session, name: string): Promise<boolean> {
  const rows = await session.query('SELECT FROM pg_database WHERE datname = $1', [name])
  return rows.length > 0
}

/** A session from which databases can be made and renamed: in none of those that are about to be. */
export async function openAdminSession(
  settings: ConnectionSettings,
  except: readonly string[],
  signal: AbortSignal,
): Promise<Session> {
  let failure: unknown
  for (const database of ['postgres', 'template1', 'defaultdb', settings.database]) {
    if (except.includes(database)) continue
    try {
      return await openSession(settings, { database, signal })
    } catch (error) {
      failure ??= error
      // A missing database is no reason to stop; a wrong password is.
      if (!isAppError(error) || error.context['sqlState'] !== '3D000') break
    }
  }
  throw (
    failure ?? new AppError('target-invalid', 'no database to work from', { hint: 'Create the database "postgres".' })
  )
}

function lockKey(name: string): string {
  return `hashtext(${quoteLiteral(`lifeboat ${name}`)})`
}

async function removeLeftovers(admin: Session, target: string): Promise<void> {
  const rows = await admin.query<{ name: string }>('SELECT datname AS name FROM pg_database')
  for (const { name } of rows.filter(row => isStagingName(row.name, target))) {
    const [row] = await admin.query<{ free: boolean }>(`SELECT pg_try_advisory_lock(${lockKey(name)}) AS free`)
    if (row?.free !== true) continue
    await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`)
    await admin.query(`SELECT pg_advisory_unlock(${lockKey(name)})`)
  }
}

const ROUND_MS = 100

/**
 * Ends the sessions in a database until told to stop. ALTER DATABASE ... RENAME lets nobody new in while it waits, but
 * sends nobody away.
 */
function endSessions(settings: ConnectionSettings, from: string, database: string): { stop(): Promise<void> } {
  const done = new AbortController()
  const work = withSession(settings, { database: from }, async session => {
    while (!done.signal.aborted) {
      await session.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
        [database],
      )
      await new Promise(resolve => setTimeout(resolve, ROUND_MS))
    }
  })
  // Without the right to end sessions the renaming itself says that the database is in use.
  work.catch(() => {})
  return {
    stop: async () => {
      done.abort()
      await work.catch(() => {})
    },
  }
}
