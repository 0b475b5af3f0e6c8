import type { App } from '../app.ts'
import { AppError, isAppError } from '../base/errors.ts'
import { suggest } from '../base/suggest.ts'
import { parseTime } from '../base/times.ts'
import type { Finding } from '../model/finding.ts'
import { isOfFuture } from '../model/recovery-point.ts'
import { getWishedSnapshot, type SnapshotWish } from '../operations/snapshots/find-snapshot.ts'
import type { Repository, Snapshot } from '../repository/index.ts'
import type { Call } from './command.ts'

export interface OpenedRepository {
  readonly name: string
  readonly repository: Repository
}

/** The repositories that a command works on: the one of `--repo`, else all. */
export function repositoryNames(call: Call, app: App): readonly string[] {
  const only = call.values.text('repo')
  if (only !== undefined) {
    app.repositorySettings(only)
    return [only]
  }
  const names = [...app.config.repositories.keys()]
  if (names.length > 0) return names
  throw new AppError('usage', `no repository is named in ${app.config.file}`, {
    hint: 'Add one under "repositories:", then run "lifeboat init" to create it.',
  })
}

/** For what must not happen to the wrong one: the one of `--repo`, else the only one. */
export function singleRepositoryName(call: Call, app: App): string {
  const names = repositoryNames(call, app)
  const [first] = names
  if (names.length === 1 && first !== undefined) return first
  throw new AppError('usage', 'there are several repositories', { hint: `Name one with --repo: ${names.join(', ')}.` })
}

/** Configured sources: those named, else all. `usage` for a name that is not there. */
export function sourceNames(call: Call, app: App): readonly string[] {
  const named = call.values.list('sources')
  for (const name of named) requireSource(app, name)
  const names = named.length > 0 ? [...new Set(named)] : [...app.config.sources.keys()]
  if (names.length > 0) return names
  throw new AppError('usage', `no source is named in ${app.config.file}`, {
    hint: 'Add one under "sources:", like "app: { kind: sqlite, path: ./data/app.db }".',
  })
}

export function requireSource(app: App, name: string): void {
  if (app.config.sources.has(name)) return
  const known = [...app.config.sources.keys()]
  const meant = suggest(name, known)
  throw new AppError('usage', `there is no source "${name}" in ${app.config.file}`, {
    hint:
      meant !== undefined
        ? `Did you mean "${meant}"?`
        : `There ${known.length === 0 ? 'is none' : `are: ${known.join(', ')}`}.`,
    context: { name, known },
  })
}

/** Where a source's recovery points go: the repositories of its policies; for one without a policy, the only one. */
export function repositoriesOf(call: Call, app: App, source: string): readonly string[] {
  const names = repositoryNames(call, app)
  if (names.length === 1) return names
  const policies = [...app.config.policies.values()].filter(policy => policy.sources.includes(source))
  const wanted = new Set(policies.flatMap(policy => policy.repositories))
  if (wanted.size > 0) return [...wanted]
  throw new AppError('usage', `no policy says to which repository source ${source} goes`, {
    hint: `Name one with --repo (${names.join(', ')}), or add the source to a policy.`,
  })
}

export function isIdPrefix(text: string): boolean {
  return /^[0-9a-f]{4,64}$/i.test(text)
}

/** `latest`, a time as people write it, or an id of at least 4 digits. */
export function parseSnapshotWish(text: string, now: Date): SnapshotWish {
  if (text.toLowerCase() === 'latest') return { kind: 'latest' }
  if (isIdPrefix(text)) return { kind: 'id', prefix: text.toLowerCase() }
  const time = parseTime(text, now)
  if (time !== undefined) return { kind: 'at', time: endOfSecond(time) }
  throw new AppError('usage', `cannot tell which snapshot "${text}" means`, {
    hint: 'Write latest, an id as "lifeboat snapshots" shows it, or a time like "2026-09-04 02:00" or "3h ago".',
  })
}

/** Times are shown without the fraction: one that is copied from there has to find what it was shown for. */
function endOfSecond(time: Date): Date {
  return time.getMilliseconds() === 0 ? new Date(time.getTime() + 999) : time
}

export interface ChosenSnapshot extends OpenedRepository {
  readonly snapshot: Snapshot
}

/**
 * The snapshot that is meant, from whichever repository has it; of several the newest. A repository that can't be
 * opened is passed over with a warning as long as another one has what is wanted.
 */
export async function chooseSnapshot(
  call: Call,
  app: App,
  source: string | undefined,
  wish: SnapshotWish,
): Promise<ChosenSnapshot> {
  const host = { own: app.host().hostname, named: call.values.text('host') }
  const present = { now: app.clock.now(), onFinding: (finding: Finding) => warnOf(call, finding) }
  const found: ChosenSnapshot[] = []
  const failures: AppError[] = []
  for (const name of repositoryNames(call, app)) {
    try {
      const repository = await app.openRepository(name)
      found.push({ name, repository, snapshot: await getWishedSnapshot(repository, source, wish, host, present) })
    } catch (error) {
      if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
      failures.push(error)
    }
  }
  const newest = newestOf(found, app.clock.now())
  const worst = failures.find(failure => !failure.code.startsWith('snapshot-')) ?? failures[0]
  if (newest === undefined) throw worst ?? new AppError('snapshot-not-found', 'no snapshot')
  for (const failure of failures) {
    if (failure.code !== 'snapshot-not-found') call.logger.warn(failure.message)
  }
  return newest
}

/** One from the future comes from a wrong clock: it is chosen only where there is no other. */
export function newestOf(found: readonly ChosenSnapshot[], now: Date): ChosenSnapshot | undefined {
  const ordered = found.toSorted((a, b) => b.snapshot.time.getTime() - a.snapshot.time.getTime())
  return ordered.find(({ snapshot }) => !isOfFuture(snapshot.time, now)) ?? ordered[0]
}

/** Something to know about a choice, on stderr. */
export function warnOf(call: Call, { subject, message, hint }: Finding): void {
  call.logger.warn([`${subject}: ${message}`, hint].filter(Boolean).join('. '))
}
