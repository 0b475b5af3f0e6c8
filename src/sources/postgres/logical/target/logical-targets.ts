import { AppError } from '../../../../base/errors.ts'
import { databaseInUrl, isPostgresUrl, type Session, withSession } from '../../../../clients/postgres/index.ts'
import type { SourcePlace } from '../../../source.ts'
import type {
  Kept,
  KeptRequest,
  Settled,
  SwappingTargets,
  TargetRequest,
  TargetSurvey,
  Written,
  WrittenRequest,
} from '../../../target.ts'
import { targetConnection } from '../../connection.ts'
import { folderTargets } from '../../folder-targets.ts'
import type { PostgresOptions } from '../../options.ts'
import { isStagingOf, keptNameOf, originalName, stagingNameOf } from '../database-names.ts'
import { endMaker, holdName, listDatabases, openAdminSession, removeLeftovers } from '../restore/staging-database.ts'
import { chooseTargets } from './choose-targets.ts'
import { dropDatabase, quietKept, wakeReturned } from './replication.ts'
import { settleRows } from './settle-rows.ts'
import { surveyServer } from './survey-server.ts'
import { renameDatabases } from './swap-databases.ts'
import { writtenSince } from './written-since.ts'

/** Databases of a server that a url names, and folders of archives. */
export class LogicalTargets implements SwappingTargets {
  readonly #options: PostgresOptions
  readonly #place: SourcePlace

  constructor(options: PostgresOptions, place: SourcePlace) {
    this.#options = options
    this.#place = place
  }

  async survey(request: TargetRequest): Promise<TargetSurvey> {
    if (!isPostgresUrl(request.target)) return await folderTargets.survey(request)
    return await surveyServer(request, await targetConnection(request.target, this.#options, this.#place))
  }

  async putBack(request: KeptRequest & { readonly keepNowAs?: string | undefined }): Promise<readonly Kept[]> {
    if (!isPostgresUrl(request.target)) return await folderTargets.putBack(request)
    return await this.#onServer(request, async (admin, kept) => {
      if (kept.length === 0) throw nothingKept(request)
      return await putBack(admin, kept, request)
    })
  }

  async dropKept(request: KeptRequest): Promise<void> {
    if (!isPostgresUrl(request.target)) return await folderTargets.dropKept(request)
    await this.#onServer(request, async (admin, kept) => {
      for (const each of kept) await dropDatabase(admin, each.kept)
    })
  }

  async writtenSince(request: WrittenRequest): Promise<readonly Written[] | undefined> {
    if (!isPostgresUrl(request.target)) return await folderTargets.writtenSince(request)
    const settings = await targetConnection(request.target, this.#options, this.#place)
    const names = namedIn(request)
    const found: Written[] = []
    for (const name of names) {
      const there = { database: name, signal: request.signal }
      const written = await withSession(settings, there, session => writtenSince(session, name, request))
      if (written === undefined) return undefined
      found.push(...written.map(each => (names.length === 1 ? each : { ...each, name: `${name}.${each.name}` })))
    }
    return found
  }

  async remove(request: TargetRequest): Promise<void> {
    if (!isPostgresUrl(request.target)) return await folderTargets.remove(request)
    const settings = await targetConnection(request.target, this.#options, this.#place)
    const names = namedIn(request)
    const admin = await openAdminSession(settings, names, request.signal)
    try {
      for (const name of names) await dropDatabase(admin, name)
    } finally {
      await admin.close()
    }
  }

  async settle(request: KeptRequest): Promise<Settled> {
    if (!isPostgresUrl(request.target)) return await folderTargets.settle(request)
    if (request.token !== undefined) return await this.#onServer(request, admin => settleRows(admin, request))
    return await this.#onServer(request, async admin => {
      const isOurs = (name: string): boolean => isStagingOf(name, request.keptAs)
      const left = [...namedIn(request), ...(await listDatabases(admin))]
      const makers = new Set(left.map(name => (isOurs(name) ? name : stagingNameOf(name, request.keptAs))))
      for (const name of makers) await endMaker(admin, name)
      await removeLeftovers(admin, isOurs)
      const kept = await findKept(admin, request)
      // What was killed right after the swap did not come to it.
      await quietKept(
        admin,
        kept.map(each => each.kept),
      )
      return { state: kept.length === 0 ? 'untouched' : 'finished', kept }
    })
  }

  async #onServer<T>(request: KeptRequest, work: (admin: Session, kept: Kept[]) => Promise<T>): Promise<T> {
    const settings = await targetConnection(request.target, this.#options, this.#place)
    const names = namedIn(request)
    const except = [...names, ...names.map(name => keptNameOf(name, request.keptAs))]
    const admin = await openAdminSession(settings, except, request.signal)
    try {
      return await work(admin, await findKept(admin, request))
    } finally {
      await admin.close()
    }
  }
}

/** What the swap took away, told by the names that are there: it needs neither the snapshot nor our own records. */
async function findKept(admin: Session, request: KeptRequest): Promise<Kept[]> {
  const there = await listDatabases(admin)
  const named = namedIn(request)
  const single = isSingle(request)
  return there.flatMap(kept => {
    const target = originalName(kept, request.keptAs, [...named, ...there])
    if (target === undefined || (single && !named.includes(target))) return []
    return [{ target, kept }]
  })
}

/** All in one step: where there are several, either all are what they were before, or none. */
async function putBack(
  admin: Session,
  kept: readonly Kept[],
  request: KeptRequest & { readonly keepNowAs?: string | undefined },
): Promise<Kept[]> {
  const there = new Set(await listDatabases(admin))
  // Those that the restore made, where nothing had been, go too.
  const targets = new Set([...kept.map(each => each.target), ...(request.places === undefined ? [] : namedIn(request))])
  const away = [...targets]
    .filter(target => there.has(target))
    .map(target => ({
      target,
      // A name that the next restore, or `settle`, removes when we are killed before we do.
      kept:
        request.keepNowAs === undefined ? stagingNameOf(target, request.keptAs) : keptNameOf(target, request.keepNowAs),
    }))
  // By these `settle` finds us when we are killed, and the server alone would go on.
  for (const keptAs of [request.keptAs, request.keepNowAs]) {
    if (keptAs !== undefined) for (const target of targets) await holdName(admin, stagingNameOf(target, keptAs))
  }
  await renameDatabases(admin, [
    ...away.map(each => ({ from: each.target, to: each.kept })),
    ...kept.map(each => ({ from: each.kept, to: each.target })),
  ])
  // First: whether the one that goes away was receiving decides on it.
  await wakeReturned(
    admin,
    kept.map(each => each.target),
  )
  const awayNames = away.map(each => each.kept)
  if (request.keepNowAs !== undefined) await quietKept(admin, awayNames)
  else for (const name of awayNames) await dropDatabase(admin, name)
  if (request.keepNowAs !== undefined) return away
  return []
}

/** The databases that the request speaks of; none where only the snapshot knew. */
function namedIn(request: TargetRequest | KeptRequest): string[] {
  if ('places' in request && request.places !== undefined) {
    return request.places.flatMap(place => databaseInUrl(place) ?? [])
  }
  const databases = request.coming?.manifest?.database?.databases
  if (databases !== undefined) return chooseTargets(request, databases).map(each => each.target)
  const named = databaseInUrl(request.target)
  const chosen = request.selection?.databases ?? []
  if (chosen.length > 1 || named === undefined) return [...chosen]
  return [named]
}

/** Without the snapshot a url that names a database may still be of several: then the names on the server decide. */
function isSingle(request: KeptRequest): boolean {
  if (request.places !== undefined) return true
  return request.coming?.manifest !== undefined || (request.selection?.databases ?? []).length > 0
}

function nothingKept({ target, keptAs }: KeptRequest): AppError {
  const name = databaseInUrl(target)
  const kept = name === undefined ? `of ${keptAs}` : keptNameOf(name, keptAs)
  return new AppError('not-found', `what was there before is not there any more: database ${kept}`, {
    hint: 'Run "lifeboat snapshots" and restore a recovery point instead.',
  })
}
