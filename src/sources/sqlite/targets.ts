import { rm, stat } from 'node:fs/promises'
import { isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { type KeptPath, keptPathOf, replacedOf } from '../beside/names.ts'
import { dropKeptPath, dropReplaced, putKeptBack, settleKeptPath } from '../beside/swap.ts'
import type {
  Kept,
  KeptRequest,
  PutBackRequest,
  Settled,
  SwappingTargets,
  TargetRequest,
  TargetSurvey,
  Written,
  WrittenRequest,
} from '../target.ts'
import { obstaclesBeside } from '../target-place.ts'
import { closeDatabaseFile, openDatabaseFile } from './database-file.ts'
import { copyAside, holdInstant, tidyUp } from './instant.ts'
import { copyOfSealed } from './let-go.ts'
import {
  databaseFiles,
  findStayingHolders,
  identityOf,
  locateTarget,
  requireFree,
  statOrNothing,
  type Target,
  targetError,
} from './restore-target.ts'
import { isSealed, isStandIn, unseal } from './seal.ts'
import { Session } from './session.ts'
import type { Description } from './session-protocol.ts'
import { SIDECARS, swapDatabase } from './swap.ts'
import { databaseState } from './target-state.ts'

/** Files that a restore of a SQLite database replaces. `name`: the file's, for a target that is a folder. */
export function sqliteTargets(name: string): SwappingTargets {
  return {
    survey: request => survey(request, name),
    stateOf: async ({ target }) => await databaseState((await locateTarget(target, name, { create: false })).path),
    putBack: request => putBack(request, name),
    dropKept: async request => await dropKeptPath(await keptOf(request, name)),
    writtenSince: request => writtenSince(request, name),
    remove: async ({ target }) => {
      const { path } = await locateTarget(target, name, { create: false })
      for (const end of [...SIDECARS, '']) await rm(path + end, { force: true })
    },
    settle: request => settle(request, name),
  }
}

/** By the rows of each table, now and then: who changed one without changing their number shows by the file alone. */
async function writtenSince(request: WrittenRequest, name: string): Promise<Written[] | undefined> {
  const { path, existing } = await locateTarget(request.target, name, { create: false })
  const then = request.brought?.database?.tables
  if (!existing || then === undefined) return undefined
  const { description } = await describe(request, path)
  const { tables: meant } = request
  const isMeant = (table: string): boolean =>
    meant === undefined || [...meant.changed, ...meant.created.map(each => each.name)].includes(table)
  const before = new Map(then.map(table => [table.name, table.rows]))
  const tables = description.tables.flatMap(({ name: table, rows }) => {
    const known = before.get(table)
    if (known === undefined || known === rows || !isMeant(table)) return []
    return [{ name: table, written: Math.max(0, rows - known), gone: Math.max(0, known - rows) }]
  })
  if (tables.length > 0) return tables
  const files = await Promise.all(['', '-wal'].map(end => stat(path + end).catch(() => undefined)))
  const touched = files.some(file => file !== undefined && file.size > 0 && file.mtimeMs > request.since.getTime())
  if (!touched) return []
  const names = meant === undefined ? [path] : description.tables.map(each => each.name).filter(isMeant)
  return names.map(table => ({ name: table, written: undefined }))
}

async function keptOf(request: KeptRequest, name: string): Promise<KeptPath> {
  const { path } = await locateTarget(request.target, name)
  return keptPathOf(path, request.keptAs, SIDECARS)
}

async function putBack(request: PutBackRequest, name: string): Promise<readonly Kept[]> {
  const target = await locateTarget(request.target, name)
  try {
    const place = keptPathOf(target.path, request.keptAs, SIDECARS)
    const now = request.keepNowAs === undefined ? undefined : keptPathOf(target.path, request.keepNowAs).kept
    await requireFree(target)
    await unseal(place.kept)
    const canSwap = target.existing && !(await isStandIn(target.path)) && (await isThere(place.kept))
    if (canSwap) await swapKept(request, place, now ?? replacedOf(target.path))
    else await putKeptBack(place, now)
    if (now === undefined) await dropReplaced(place)
    return now === undefined ? [] : [{ target: target.path, kept: now }]
  } catch (error) {
    throw targetError(error, target.path)
  }
}

async function swapKept({ lastLook, signal }: PutBackRequest, place: KeptPath, kept: string): Promise<void> {
  if (kept === replacedOf(place.path)) await dropReplaced(place)
  await swapDatabase({ fresh: place.kept, path: place.path, kept, lastLook, signal })
}

async function isThere(path: string): Promise<boolean> {
  return (await statOrNothing(path)) !== undefined
}

async function settle(request: KeptRequest, name: string): Promise<Settled> {
  const target = await locateTarget(request.target, name)
  const place = await keptOf(request, name)
  for (const path of [target.standIn, copyOfSealed(place.kept)]) await rm(path, { force: true })
  if (await isStandIn(target.path)) return { state: 'half-written', kept: [] }
  const state = (await cameMeanwhile(request, target, place)) ? 'rolled-back' : await settleKeptPath(place)
  await dropReplaced(place)
  await unseal(target.path)
  if (state !== 'finished') return { state, kept: [] }
  const mayHoldMore = !(await isSealed(place.kept))
  await unseal(place.kept)
  return { state, kept: [{ target: target.path, kept: place.kept }], mayHoldMore }
}

/**
 * Killed with the old database away and the new one not in its place, an application may have made an empty one there. It
 * is kept, beside what comes back.
 */
async function cameMeanwhile({ token }: KeptRequest, target: Target, place: KeptPath): Promise<boolean> {
  const coming = await databaseState(target.partial)
  const isOther =
    token !== undefined && coming === token && target.existing !== undefined && (await isThere(place.kept))
  if (!isOther || (await identityOf(place.kept)) === (await identityOf(target.path))) return false
  await putKeptBack(place, `${place.kept}-came`)
  return true
}

async function survey(request: TargetRequest, name: string): Promise<TargetSurvey> {
  const target = await locateTarget(request.target, name, { create: false })
  const obstacles = await obstaclesBeside(target.path, request.coming?.sizeBytes, target.existing !== undefined)
  const { existing, path } = target
  if (!existing) return { place: path, exists: false, findings: obstacles }
  const findings = existing.nlink > 1 ? [...obstacles, otherNames(path)] : obstacles
  const facts = { place: path, exists: true, sizeBytes: existing.size, files: 1, modifiedAt: existing.mtime }
  try {
    const { description, engineVersion } = await describe(request, path)
    return { ...facts, tables: description.tables, engineVersion, findings: [...findings, ...(await usage(path))] }
  } catch (error) {
    if (!isAppError(error) || error.code === 'interrupted') throw error
    // It may be what the restore is to mend; what it holds can't be told, that is all.
    const unreadable: Finding = {
      severity: 'warning',
      code: 'target-unreadable',
      subject: path,
      message: `what is in it cannot be told: ${error.message}`,
    }
    return { ...facts, findings: [...findings, ...(await usage(path)), unreadable] }
  }
}

async function describe(
  request: TargetRequest,
  path: string,
): Promise<{ description: Description; engineVersion: string | undefined }> {
  const file = await openDatabaseFile(path)
  const session = new Session(request.signal)
  try {
    const held = await holdInstant(file, session)
    // After a crash, or where the application runs in this process, it is described as a copy.
    const copy = held.hold.kind === 'none' ? await copyAside(held, session, request.scratchDir) : undefined
    const description = await session.call('describe', { countRows: true, countViolations: false })
    await tidyUp(held, session)
    if (copy !== undefined) await rm(copy, { force: true })
    return { description, engineVersion: versionText(held.file.header?.sqliteVersion) }
  } finally {
    await session.close()
    await closeDatabaseFile(file)
  }
}

function otherNames(path: string): Finding {
  return {
    severity: 'warning',
    code: 'target-has-other-names',
    subject: path,
    message: 'it has other names (hard links): programs that use one of those go on with what is there now',
    hint: `Find them with: find / -xdev -samefile ${path}`,
  }
}

function versionText(number: number | undefined): string | undefined {
  if (number === undefined || number === 0) return undefined
  return [Math.floor(number / 1e6), Math.floor(number / 1000) % 1000, number % 1000].join('.')
}

async function usage(path: string): Promise<Finding[]> {
  const holders = await findStayingHolders(databaseFiles(path))
  return holders
    .filter(holder => holder.state === 'living')
    .map(({ program, pid }) => ({
      severity: 'error',
      code: 'target-in-use',
      subject: path,
      message: `${program} (process ${pid}) has it open`,
      hint: 'Stop the application first, or let "restore: { before: ..., after: ... }" of the source stop and start it.',
    }))
}
