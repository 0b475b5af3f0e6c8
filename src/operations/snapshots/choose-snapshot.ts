import { AppError, isAppError } from '../../base/errors.ts'
import { parseTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { isOfFuture } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { nearestFirst, repositoryNames } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { getWishedSnapshot, type SnapshotWish } from './find-snapshot.ts'
import { type HelpedContents, helpedContents } from './helped-contents.ts'

export interface OpenedRepository {
  /** In the configuration. */
  readonly name: string
  readonly repository: Repository
}

export interface FoundSnapshot extends OpenedRepository {
  readonly snapshot: Snapshot
}

export interface ChosenSnapshot extends FoundSnapshot {
  /** To read it by. */
  readonly contents: HelpedContents
}

export interface Choice {
  /** Undefined: of any. */
  readonly source: string | undefined
  readonly wish: SnapshotWish
  /** Only in this repository. */
  readonly repository?: string | undefined
  /** Of this host. Default: this machine's, if it has any. */
  readonly host?: string | undefined
}

/**
 * The snapshot that is meant, from whichever repository has it: of several the newest, and of its copies the nearest one. A
 * repository that can't be opened is passed over with a warning as long as another one has what is wanted.
 */
export async function chooseSnapshot(
  workspace: Workspace,
  { source, wish, repository: only, host: named }: Choice,
  onFinding: (finding: Finding) => void,
): Promise<ChosenSnapshot> {
  const host = { own: workspace.host.hostname, named }
  const present = { now: workspace.clock.now(), onFinding }
  return await chooseAmong(workspace, only, onFinding, async repository =>
    getWishedSnapshot(repository, source, wish, host, present),
  )
}

/** The same by another rule for what a repository has; `find` throws where it has none. */
export async function chooseAmong(
  workspace: Workspace,
  only: string | undefined,
  onFinding: (finding: Finding) => void,
  find: (repository: Repository) => Promise<Snapshot>,
): Promise<ChosenSnapshot> {
  const names = nearestFirst(workspace, repositoryNames(workspace, only))
  const answers = await answersInTime(workspace, names, find)
  const found = answers.flatMap(answer => ('snapshot' in answer ? [answer] : []))
  const failures = answers.flatMap(answer => ('error' in answer ? [answer] : []))
  const newest = newestOf(found, workspace.clock.now())
  const worst = failures.find(({ error }) => !error.code.startsWith('snapshot-')) ?? failures[0]
  if (newest === undefined) throw worst?.error ?? new AppError('snapshot-not-found', 'no snapshot')
  for (const { name, error } of failures) {
    if (error.code === 'snapshot-not-found') continue
    const { code, message, hint } = error
    onFinding({ severity: 'warning', code, subject: `repository ${name}`, message, ...(hint && { hint }) })
  }
  for (const name of names)
    if (answers.every(answer => answer.name !== name)) onFinding(notWaitedFor(name, newest.name))
  return { ...newest, contents: helpedContents(workspace, newest, only, onFinding) }
}

type Answer = FoundSnapshot | { readonly name: string; readonly error: AppError }

/**
 * What the repositories have, in the order of their names. All are asked at once; as soon as one has what is wanted, the
 * others have some seconds left to say that they have a newer one. Those that do not are abandoned, and not in the answer.
 */
async function answersInTime(
  workspace: Workspace,
  names: readonly string[],
  find: (repository: Repository) => Promise<Snapshot>,
): Promise<readonly Answer[]> {
  const answers = new Map<string, Answer>()
  const isOver = new AbortController()
  const enough = Promise.withResolvers<void>()
  const wait = async (): Promise<void> => {
    await workspace.clock.sleep(PATIENCE_MS, isOver.signal)
    enough.resolve()
  }
  const asking = names.map(async name => {
    const answer = await ask(workspace, name, find)
    answers.set(name, answer)
    if ('snapshot' in answer) void wait()
  })
  try {
    await Promise.race([Promise.all(asking), enough.promise])
  } finally {
    isOver.abort()
  }
  const known = names.flatMap(name => answers.get(name) ?? [])
  for (const name of names) if (!answers.has(name)) workspace.abandonRepository(name)
  return known
}

async function ask(
  workspace: Workspace,
  name: string,
  find: (repository: Repository) => Promise<Snapshot>,
): Promise<Answer> {
  try {
    const repository = await workspace.repository(name)
    return { name, repository, snapshot: await find(repository) }
  } catch (error) {
    if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
    return { name, error }
  }
}

function notWaitedFor(name: string, chosen: string): Finding {
  return {
    severity: 'warning',
    code: NOT_WAITED_FOR,
    subject: `repository ${name}`,
    message: `it did not answer within ${PATIENCE_MS / 1000} s, so ${chosen} is read; whether ${name} has a newer recovery point is not known`,
    hint: `To wait for it, name it: --from ${name}`,
  }
}

/** One from the future comes from a wrong clock: it is chosen only where there is no other. */
function newestOf(found: readonly FoundSnapshot[], now: Date): FoundSnapshot | undefined {
  const ordered = found.toSorted((a, b) => b.snapshot.time.getTime() - a.snapshot.time.getTime())
  return ordered.find(({ snapshot }) => !isOfFuture(snapshot.time, now)) ?? ordered[0]
}

/** Of a finding: a repository was passed over because it did not answer in time. */
export const NOT_WAITED_FOR = 'repository-not-waited-for'
/** Enough for a server far away to list what it has; little against what a restore takes. */
const PATIENCE_MS = 8_000

export function isIdPrefix(text: string): boolean {
  return /^[0-9a-f]{4,64}$/i.test(text)
}

/** `latest`, a time as people write it, or an id of at least 4 digits. `usage` for anything else. */
export function parseSnapshotWish(text: string, now: Date): SnapshotWish {
  const wish = readSnapshotWish(text, now)
  if (wish !== undefined) return wish
  throw new AppError('usage', `cannot tell which snapshot "${text}" means`, {
    hint: 'Write latest, an id as "lifeboat snapshots" shows it, or a time like "2026-09-04 02:00" or "3h ago".',
  })
}

/** The same; undefined for anything else. */
export function readSnapshotWish(text: string, now: Date): SnapshotWish | undefined {
  if (text.toLowerCase() === 'latest') return { kind: 'latest' }
  if (isIdPrefix(text)) return { kind: 'id', prefix: text.toLowerCase() }
  const time = parseTime(text, now)
  return time === undefined ? undefined : { kind: 'at', time: endOfSecond(time) }
}

/** Times are shown without the fraction: one that is copied from there has to find what it was shown for. */
export function endOfSecond(time: Date): Date {
  return time.getMilliseconds() === 0 ? new Date(time.getTime() + 999) : time
}
