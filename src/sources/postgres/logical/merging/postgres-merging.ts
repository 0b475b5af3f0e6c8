import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import { describeConnection, isPostgresUrl, openSession, type Session } from '../../../../clients/postgres/index.ts'
import type { MergingPlace, MergingRequest, SourcePlace } from '../../../source.ts'
import { connectionOf, targetConnection } from '../../connection.ts'
import type { PostgresOptions } from '../../options.ts'
import { databaseExists, openAdminSession, type StagingDatabase } from '../restore/staging-database.ts'
import { describeTables, searchPathOf } from './describe-tables.ts'
import { PostgresMergingPlace } from './merging-place.ts'
import { stageBackup } from './staged-backup.ts'

/** Restores the snapshot into a database of its own on the target's server, and connects to both. */
export async function openPostgresMerging(
  request: MergingRequest,
  options: PostgresOptions,
  place: SourcePlace,
): Promise<MergingPlace> {
  const { signal, target } = request
  throwIfAborted(signal)
  if (target !== undefined && !isPostgresUrl(target)) throw notAServer(target)
  const settings =
    target === undefined ? await connectionOf(options, place) : await targetConnection(target, options, place)
  const opened = new Opened()
  try {
    const admin = opened.session(await openAdminSession(settings, [settings.database], signal))
    if (!(await databaseExists(admin, settings.database))) throw noDatabase(describeConnection(settings))
    const { binDir, jobs } = options
    const staging = await stageBackup({ request, settings, admin, binDir, jobs })
    opened.staging = staging
    const live = opened.session(await openSession(settings, { signal }))
    const backup = opened.session(await openSession(settings, { database: staging.name, signal }))
    const path = await searchPathOf(live)
    // Types are then named alike on both sides.
    for (const session of [live, backup]) await session.query(`SELECT set_config('search_path', $1, false)`, [path])
    await live.query("SET temp_buffers = '64MB'; SET work_mem = '64MB'; SET client_min_messages = warning")
    // A statement of an interrupted merge must not hold its locks until it is done.
    if (live.versionNumber >= 140_000) await live.query("SET client_connection_check_interval = '1s'")
    return new PostgresMergingPlace({
      target: describeConnection(settings),
      live,
      backup,
      tables: { target: await describeTables(live), backup: await describeTables(backup) },
      signal,
      lockTimeoutSeconds: options.lockTimeoutSeconds,
      release: () => opened.close(),
    })
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** What is to be closed and removed, whatever happens. */
class Opened {
  staging: StagingDatabase | undefined
  readonly #sessions: Session[] = []

  session(session: Session): Session {
    this.#sessions.push(session)
    return session
  }

  /** The staging database is locked by name as long as the admin session lives, which was opened first. */
  async close(): Promise<void> {
    for (const session of this.#sessions.slice(1)) await session.close()
    // One that can't be dropped now, the next restore or merge into this database drops.
    await this.staging?.drop().catch(() => {})
    await this.#sessions[0]?.close()
  }
}

function notAServer(target: string): AppError {
  return new AppError('target-invalid', `${target} is no PostgreSQL database to merge into`, {
    hint: 'Name it by a URL: --to postgres:///shop_test, or --to postgres://user@host/database.',
  })
}

function noDatabase(place: string): AppError {
  return new AppError('target-invalid', `there is no database ${place} to merge into`, {
    hint: 'Restore the whole snapshot instead, with --strategy replace.',
  })
}
