import type { App } from '../app/app.ts'
import { AppError } from '../base/errors.ts'
import { parseTime } from '../base/times.ts'
import { isRepositoryUrl, typedRepositoryUrl } from '../model/repository-url.ts'
import {
  type ChosenSnapshot,
  chooseSnapshot,
  endOfSecond,
  parseSnapshotWish,
} from '../operations/snapshots/choose-snapshot.ts'
import type { SnapshotWish } from '../operations/snapshots/find-snapshot.ts'
import { type Origin, parseOrigin, samePoint } from '../operations/snapshots/origin.ts'
import type { Call, OptionSpec } from './command.ts'

/** What the options that several commands have mean: `--repo`, `--from`, `--at`, `--host`. */

type Typed = Pick<Call, 'values' | 'environment' | 'clock'>

export const FROM_OPTION: OptionSpec = {
  flags: '--from <repository[:point]>',
  summary: 'from this repository, by name or URL, and this recovery point of it: main:latest, ./backups:3f2a',
  complete: 'repositories',
}

/** For commands that read a repository and change nothing in it. `openApp` sees to it. */
export const AS_OF_OPTION: OptionSpec = {
  flags: '--as-of <time>',
  summary: 'open the repository as it was at this time, from the old versions that its bucket keeps',
}

/** For commands that read a recovery point as it was captured. */
export const ORIGIN_OPTIONS: readonly OptionSpec[] = [
  FROM_OPTION,
  AS_OF_OPTION,
  { flags: '--at <time>', summary: 'the newest recovery point at or before this time' },
]

/** For commands whose arguments name several recovery points. */
export const REPOSITORY_OPTION: OptionSpec = {
  flags: '--from <repository>',
  summary: 'from this repository, by name or URL',
  complete: 'repositories',
}

/** `usage` for `--from` with a point, where arguments name the points. */
export function requireRepositoryAlone(call: Typed): void {
  const { point, repository } = originOf(call) ?? {}
  if (point === undefined) return
  throw new AppError('usage', `--from names the recovery point ${point}, but the arguments name two`, {
    hint: `Name the repository alone: --from ${repository}`,
  })
}

/** A name, or a URL in its one spelling: a typed path is relative to the working directory. */
export function typedRepository<Typed extends string | undefined>(
  { environment }: Pick<Call, 'environment'>,
  typed: Typed,
): Typed | string {
  if (typed === undefined || !isRepositoryUrl(typed)) return typed
  return typedRepositoryUrl(typed, process.cwd(), environment)
}

/** The repository that `--repo` or `--from` names. */
export function repoOf(call: Typed): string | undefined {
  const [repo, from] = [call.values.text('repo'), originOf(call)?.repository].map(each => typedRepository(call, each))
  if (repo === undefined || from === undefined || repo === from) return repo ?? from
  throw new AppError('usage', `--repo ${repo} and --from ${from} are two repositories`, { hint: 'Name one of them.' })
}

function originOf({ values, clock }: Typed): Origin | undefined {
  const from = values.text('from')
  if (from === '')
    throw new AppError('usage', '--from is empty', { hint: 'Say where from: --from REPOSITORY[:POINT].' })
  return from === undefined ? undefined : parseOrigin(from, clock.now())
}

/**
 * The recovery point that an argument or `--from` names; undefined where neither does. `usage` where they name two.
 * @param text the argument
 */
export function namedPoint(call: Call, text: string | undefined): SnapshotWish | undefined {
  const point = originOf(call)?.point
  if (text !== undefined && point !== undefined) return samePoint(text, point, call.clock.now())
  const named = text ?? point
  return named === undefined ? undefined : typedWish(call, named)
}

/** The same, or by `--at`. */
export function pointOrMoment(call: Call, text: string | undefined): SnapshotWish | undefined {
  const named = namedPoint(call, text)
  const at = call.values.text('at')
  if (at === undefined) return named
  if (named !== undefined) {
    throw new AppError('usage', `--at ${at} and a recovery point exclude each other`, {
      hint: 'Leave out one: --at means the newest at or before that time.',
    })
  }
  const time = parseTime(at, call.clock.now())
  if (time !== undefined) return { kind: 'at', time: endOfSecond(time) }
  throw new AppError('usage', `--at cannot be "${at}"`, {
    hint: 'Write a time like "2026-09-04 01:59:30" or "3h ago".',
  })
}

/** What `--as-of` says. */
export function asOfOf({ values, clock }: Pick<Call, 'values' | 'clock'>): Date | undefined {
  const text = values.text('asOf')
  if (text === undefined) return undefined
  const now = clock.now()
  const time = parseTime(text, now)
  if (time !== undefined && time <= now) return endOfSecond(time)
  throw new AppError('usage', `--as-of cannot be "${text}"${time === undefined ? '' : ', which is in the future'}`, {
    hint: 'Write a time like "2026-09-04 01:59:30" or "3h ago". "lifeboat history" shows what happened when.',
  })
}

/** The snapshot that is meant, from whichever repository has it. */
export async function chosenSnapshot(
  call: Call,
  app: App,
  source: string | undefined,
  wish: SnapshotWish,
): Promise<ChosenSnapshot> {
  const choice = { source, wish, repository: repoOf(call), host: call.values.text('host') }
  return await chooseSnapshot(app, choice, finding => call.onFinding(finding))
}

/** As a person writes it: `latest`, a time, an id. */
export function typedWish(call: Call, text: string): SnapshotWish {
  return parseSnapshotWish(text, call.clock.now())
}
