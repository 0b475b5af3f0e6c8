import { systemClock } from '../../../../base/clock.ts'
import { AppError, isAppError } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  quoteIdentifier,
  quoteLiteral,
  type Session,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import { isStagingName } from '../database-names.ts'
import { dropDatabase } from '../target/replication.ts'

const INVALID_LOCALE =
  /invalid (?:LC_COLLATE |LC_CTYPE )?locale name|new (?:collation|LC_CTYPE)|encoding .* does not match locale/i

export interface StagingOptions {
  readonly owner: string | undefined
  readonly tablespace: string | undefined
  /** What follows `CREATE DATABASE name WITH`; undefined for an archive that does not say. */
  readonly create: string | undefined
}

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
    options: StagingOptions,
  ): Promise<StagingDatabase> {
    await removeLeftovers(admin, left => isStagingName(left, target))
    await holdName(admin, name)
    const owned = options.owner === undefined ? '' : ` OWNER = ${quoteIdentifier(options.owner)}`
    const placed = options.tablespace === undefined ? '' : ` TABLESPACE = ${quoteIdentifier(options.tablespace)}`
    const create = `CREATE DATABASE ${quoteIdentifier(name)} WITH${owned}${placed}`
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

  /** When the restore failed or was interrupted: on a connection of its own, for the other one may be gone with it. */
  async drop(): Promise<void> {
    const { settings, database } = this.#admin
    await withSession(settings, { database }, async session => {
      await dropDatabase(session, this.name)
    })
  }
}

export async function listDatabases(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>('SELECT datname AS name FROM pg_database ORDER BY 1')
  return rows.map(row => row.name)
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

/** Two keys, so that all of ours can be told from an application's own. */
const LOCK_CLASS = 0x4c_42_64_62

function lockKey(name: string): string {
  return `${LOCK_CLASS}, hashtext(${quoteLiteral(`lifeboat ${name}`)})`
}

/** Shows, until the session ends, that its maker lives: whoever finds it free may drop the database of that name. */
export async function holdName(admin: Session, name: string): Promise<void> {
  await admin.query(`SELECT pg_advisory_lock(${lockKey(name)})`)
}

/** Drops staging databases whose makers are gone. */
export async function removeLeftovers(admin: Session, isLeft: (name: string) => boolean): Promise<void> {
  for (const name of (await listDatabases(admin)).filter(isLeft)) {
    // A lock is of one database; its holder may work from another one than we do.
    if ((await holdersOf(admin, name)).length > 0) continue
    const [row] = await admin.query<{ free: boolean }>(`SELECT pg_try_advisory_lock(${lockKey(name)}) AS free`)
    if (row?.free !== true) continue
    await dropDatabase(admin, name)
    await admin.query(`SELECT pg_advisory_unlock(${lockKey(name)})`)
  }
}

const ROUND_MS = 50
const PATIENCE_MS = 30_000

/**
 * Ends the server's session of a restore whose process is gone: what it was doing may go on for a while, up to the
 * renaming itself. Afterwards it has done so, or never will.
 */
export async function endMaker(admin: Session, name: string): Promise<void> {
  const until = systemClock.monotonicMs() + PATIENCE_MS
  for (let pids = await holdersOf(admin, name); pids.length > 0; pids = await holdersOf(admin, name)) {
    if (systemClock.monotonicMs() > until) {
      throw new AppError(
        'target-in-use',
        `the session of an earlier restore (process ${pids[0]} of the server) does not end`,
        {
          hint: `As a superuser run: SELECT pg_terminate_backend(${pids[0]});`,
        },
      )
    }
    await admin.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid', [pids])
    await systemClock.sleep(ROUND_MS)
  }
}

/** Processes of the server that hold the lock of a staging database, whatever database they are in. */
async function holdersOf(admin: Session, name: string): Promise<number[]> {
  const rows = await admin.query<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid AND objid = hashtext($2)::oid
     AND objsubid = 2 AND granted AND pid <> pg_backend_pid()`,
    [LOCK_CLASS, `lifeboat ${name}`],
  )
  return rows.map(row => row.pid)
}
