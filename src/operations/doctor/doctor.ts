import { stat } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { HookName } from '../../model/hook.ts'
import { isOfFuture, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { PermissionDocument } from '../../model/storage-access.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { Program } from '../../sources/source.ts'
import type { ProbeResult } from '../probe/probe.ts'
import type { Probed, ProbeReport } from '../probe/storage-probe.ts'
import { checksOf } from './check-storage.ts'
import { checkClock, compareClock } from './clock.ts'
import type { DoctorCheck } from './doctor-check.ts'
import { checkOwnership, type OwnedFolder } from './ownership.ts'
import { checkPlatform } from './platform.ts'
import { findTools, isRunnable } from './tools.ts'

export interface DoctorRequest {
  readonly versions: Readonly<Record<string, string>>
  /** The configuration, or why there is none. */
  readonly config: { readonly file: string } | { readonly error: AppError; readonly named: boolean }
  /** Files and folders that only their owner may reach, by what they are. */
  readonly privatePlaces: ReadonlyArray<{ readonly what: string; readonly path: string }>
  readonly repositories: readonly DoctorRepository[]
  readonly sources: readonly DoctorSource[]
  /** Folders in which all belongs to their owner: local repositories, our own state. */
  readonly ownedFolders: readonly OwnedFolder[]
  /** What stops and starts applications for a restore. */
  readonly hooks: readonly DoctorHook[]
  /** As the environment names it. */
  readonly timeZone?: string | undefined
  /** Folder for a moment's file. */
  readonly scratchDir: string
  /** The `PATH` to look for tools in. */
  readonly searchPath: string
  /** That kinds of sources work with. */
  readonly programs: readonly Program[]
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface DoctorRepository {
  readonly name: string
  readonly open: () => Promise<Repository>
  readonly freeBytes: () => Promise<number | undefined>
  /** Without trying again. */
  readonly probe: () => Promise<ProbeReport>
  /** What gives a login the rights that it needs. */
  readonly permissions: readonly PermissionDocument[]
}

export interface DoctorSource {
  readonly name: string
  readonly probe: () => Promise<ProbeResult>
  /** The database's own time; undefined where it has none but ours. */
  readonly readClock: () => Promise<Date | undefined>
}

export interface DoctorHook {
  /** Whose it is: `source app`, `policy nightly`. */
  readonly owner: string
  readonly name: HookName
  /** A name to look for on the PATH, or an absolute path. */
  readonly program: string
}

export interface DoctorResult {
  /** No check is an error. */
  readonly healthy: boolean
  readonly checks: readonly DoctorCheck[]
  readonly permissions: ReadonlyArray<PermissionDocument & { readonly repository: string }>
}

const checkProgram = ({ isFound, ...said }: Program): DoctorCheck => ({
  area: 'tools',
  ...said,
  status: isFound ? 'ok' : 'info',
})

/** Looks for what would make a backup or a restore fail on this machine. Leaves nothing changed. */
export async function doctor(request: DoctorRequest): Promise<DoctorResult> {
  const checks: DoctorCheck[] = [
    ...Object.entries(request.versions).map(
      ([name, message]): DoctorCheck => ({ area: 'versions', name, status: 'ok', message }),
    ),
    ...(await checkPlatform(request.timeZone)),
    ...(await findTools(request.searchPath, request.signal)),
    ...request.programs.map(checkProgram),
    checkConfig(request),
  ]
  for (const place of request.privatePlaces) checks.push(...(await checkPrivate(place)))
  for (const folder of request.ownedFolders) checks.push(...(await checkOwnership(folder)))
  checks.push(await checkClock(request.clock, request.scratchDir))
  for (const repository of request.repositories) {
    throwIfAborted(request.signal)
    checks.push(...(await checkStorageAndRepository(repository, request.clock)))
  }
  for (const source of request.sources) {
    throwIfAborted(request.signal)
    checks.push(...(await checkSource(source, request.clock)))
  }
  for (const hook of request.hooks) checks.push(...(await checkHook(hook, request.searchPath)))
  const permissions = request.repositories.flatMap(({ name, permissions: documents }) =>
    documents.map(document => ({ repository: name, ...document })),
  )
  return { healthy: checks.every(check => check.status !== 'error'), checks, permissions }
}

function checkConfig({ config, sources }: DoctorRequest): DoctorCheck {
  const common = { area: 'configuration', name: 'lifeboat.yaml' } as const
  if ('file' in config && sources.length === 0) {
    const hint = 'Add one under "sources:", like "app: { kind: sqlite, path: ./data/app.db }".'
    return { ...common, status: 'warning', message: `${config.file} names no source: nothing is backed up`, hint }
  }
  if ('file' in config) return { ...common, status: 'ok', message: config.file }
  // A machine that only restores, or a first look, has none; one that was named has to be there.
  const isNone = config.error.code === 'config-not-found' && !config.named
  return { ...common, ...failure(config.error), status: isNone ? 'info' : 'error' }
}

async function checkPrivate(place: { readonly what: string; readonly path: string }): Promise<DoctorCheck[]> {
  const common = { area: 'permissions', name: place.what } as const
  try {
    const { mode, uid } = await stat(place.path)
    const own = process.getuid?.()
    if (own !== undefined && own !== 0 && uid !== own) {
      return [{ ...common, status: 'warning', message: `${place.path} belongs to another user` }]
    }
    if ((mode & 0o077) === 0) return [{ ...common, status: 'ok', message: `${place.path} is private` }]
    const octal = (mode & 0o777).toString(8).padStart(4, '0')
    const hint = `Run "chmod go= ${place.path}".`
    return [{ ...common, status: 'warning', message: `other users can reach ${place.path} (mode ${octal})`, hint }]
  } catch (error) {
    // What does not exist yet is made private; a missing password shows where the repository is opened.
    if (systemCode(error) === 'ENOENT') return []
    return [{ ...common, status: 'error', message: `cannot look at ${place.path}: ${messageOf(error)}` }]
  }
}

const TOLD_ELSEWHERE: ReadonlySet<Probed> = new Set(['clock', 'space'])

/** What cannot be reached now is not tried for as long as a backup would. */
async function checkStorageAndRepository(repository: DoctorRepository, clock: Clock): Promise<DoctorCheck[]> {
  let report: ProbeReport
  try {
    report = await repository.probe()
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted') throw error
    return [{ area: 'storage', name: repository.name, status: 'error', ...failure(error) }]
  }
  const isAway = report.checks.some(({ name, status }) => name === 'list' && status === 'unknown')
  return [
    // Clock and space are told by the repository.
    ...checksOf(repository.name, { ...report, checks: report.checks.filter(({ name }) => !TOLD_ELSEWHERE.has(name)) }),
    ...(isAway ? [] : await checkRepository(repository, clock)),
  ]
}

async function checkRepository(repository: DoctorRepository, clock: Clock): Promise<DoctorCheck[]> {
  const common = { area: 'repository', name: repository.name } as const
  const checks: DoctorCheck[] = []
  try {
    const opened = await repository.open()
    const { snapshots, findings } = await opened.listSnapshots()
    const location = `${opened.location}, format version ${opened.version}, ${snapshots.length} snapshots`
    checks.push({ ...common, status: 'ok', message: `opened ${location}` })
    checks.push(...findings.map(finding => fromFinding(common, finding)))
    const stale = (await opened.listLocks()).filter(lock => lock.stale).length
    if (stale > 0) {
      const hint = 'They block nothing and go with the next run; "lifeboat unlock" removes them now.'
      checks.push({ ...common, status: 'info', message: `${stale} stale locks of processes that are gone`, hint })
    }
    checks.push(...checkFuture(common, snapshots, clock))
    checks.push(...(await compareClock(common, 'its storage', clock, () => opened.readStorageClock())))
    const freeBytes = await repository.freeBytes()
    if (freeBytes !== undefined) checks.push(checkSpace(common, freeBytes))
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted') throw error
    checks.push({ ...common, status: 'error', ...failure(error) })
  }
  return checks
}

function checkFuture(
  common: Pick<DoctorCheck, 'area' | 'name'>,
  snapshots: readonly Snapshot[],
  clock: Clock,
): DoctorCheck[] {
  const future = snapshots.filter(({ time }) => isOfFuture(time, clock.now()))
  const newest = future.at(-1)
  if (newest === undefined) return []
  const ids = future.slice(0, 10).map(({ id }) => id.slice(0, SHORT_ID_DIGITS))
  const which = future.length === 1 ? 'a snapshot is' : `${future.length} snapshots are`
  const message = `${which} from the future (up to ${newest.time.toISOString()}) and never the latest`
  const hint = `If the clock of this machine is right, remove what a wrong one made: lifeboat forget ${ids.join(' ')}`
  return [{ ...common, status: 'warning', message, hint }]
}

const LITTLE_SPACE_BYTES = 1024 ** 3

function checkSpace(common: Pick<DoctorCheck, 'area' | 'name'>, freeBytes: number): DoctorCheck {
  const message = `${formatSize(freeBytes)} free`
  if (freeBytes >= LITTLE_SPACE_BYTES) return { ...common, status: 'ok', message }
  return { ...common, status: 'warning', message, hint: 'Make room, or move the repository to a bigger disk.' }
}

async function checkSource(source: DoctorRequest['sources'][number], clock: Clock): Promise<DoctorCheck[]> {
  const common = { area: 'source', name: source.name } as const
  try {
    const { kind, findings } = await source.probe()
    // Of a server that can't be reached, the first thing to say is that.
    const isReachable = findings.every(({ severity }) => severity !== 'error')
    const clocks = isReachable ? await compareClock(common, 'the database', clock, source.readClock) : []
    if (findings.length > 0 || clocks.length > 0) {
      return [...findings.map(finding => fromFinding(common, finding)), ...clocks]
    }
    return [{ ...common, status: 'ok', message: `${kind}, ready for a backup` }]
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted') throw error
    return [{ ...common, status: 'error', ...failure(error) }]
  }
}

/** Found out in the middle of a restore, it would cost the person that restore. */
async function checkHook({ owner, name, program }: DoctorHook, searchPath: string): Promise<DoctorCheck[]> {
  if (await isRunnable(program, searchPath)) return []
  const where = program.includes('/') ? program : `${program} on the PATH`
  return [
    {
      area: 'hook',
      name: owner,
      status: 'error',
      message: `its hook "${name}" cannot run: there is no program ${where}`,
      hint: `Correct "${name}" in the configuration of ${owner}, or make the file executable. A relative path starts at the folder of lifeboat.yaml.`,
    },
  ]
}

function fromFinding(common: Pick<DoctorCheck, 'area' | 'name'>, finding: Finding): DoctorCheck {
  const { severity, subject, message, hint } = finding
  return {
    ...common,
    status: severity,
    message: message.startsWith(subject) ? message : `${subject}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
  }
}

function failure(error: AppError): { message: string; hint?: string } {
  return { message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
}
