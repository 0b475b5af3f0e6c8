import { AppError, isAppError } from '../../base/errors.ts'
import { suggest } from '../../base/suggest.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { isPart } from '../../model/manifest.ts'
import { isOfFuture, isSafetyPoint, labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'

/**
 * How a person names a snapshot: the newest, the newest at or before a moment, or an id (prefix). Only an id reaches a
 * part (`schema`, `data`): restored over the original as the latest, it would empty the database. Nor does anything but an
 * id reach a safety point: it is of what somebody wanted to be rid of.
 */
export type SnapshotWish =
  | { readonly kind: 'latest' }
  | { readonly kind: 'at'; readonly time: Date }
  | { readonly kind: 'id'; readonly prefix: string }

/** Two machines may share a repository and both have an `app`: whose is meant by `latest`. */
export interface HostWish {
  /** This machine: its own snapshots come first. */
  readonly own: string
  /** Said by the person: this host's and no other's. */
  readonly named: string | undefined
}

/** What time it is, and who is told of snapshots that a wrong clock made. */
export interface Present {
  readonly now: Date
  readonly onFinding: (finding: Finding) => void
}

/**
 * The snapshot that is meant, of one source or (undefined) of any. Where this host has none of the source, another's
 * is meant if there is only one (the way back onto a new machine). One from the future is meant by its id only, or
 * where all are: then it is our clock that is wrong.
 * Throws `snapshot-not-found`, saying what there is, `ambiguous-id`, or `usage` when several hosts could be meant.
 */
export async function getWishedSnapshot(
  repository: Repository,
  source: string | undefined,
  wish: SnapshotWish,
  host: HostWish,
  present: Present = { now: new Date(), onFinding: () => {} },
): Promise<Snapshot> {
  if (wish.kind === 'id') return getById(repository, source, wish.prefix)
  const { snapshots } = await repository.listSnapshots()
  const all = snapshots.filter(snapshot => source === undefined || labelsOf(snapshot.tags).source === source)
  const own = ofOneHost(all, source, host)
  const whole = own.filter(({ tags }) => !isPart(labelsOf(tags).type) && !isSafetyPoint(tags))
  const past = whole.filter(({ time }) => !isOfFuture(time, present.now))
  const candidates = past.length > 0 ? past : whole
  const found = wish.kind === 'latest' ? candidates.at(-1) : candidates.findLast(({ time }) => time <= wish.time)
  if (found !== undefined) {
    for (const finding of futureFindings(whole, found, present.now)) present.onFinding(finding)
    return found
  }
  if (whole.length === 0 && own.length > 0) throw onlyParts(source)
  throw notFound(source, wish, whole, snapshots)
}

/** The snapshots of the future that a choice passed over; or that it had to be made among these. */
function futureFindings(whole: readonly Snapshot[], found: Snapshot, now: Date): Finding[] {
  const future = whole.filter(({ time }) => isOfFuture(time, now))
  if (future.length === 0) return []
  const common = { severity: 'warning', code: 'snapshot-of-the-future' } as const
  if (future.length === whole.length) {
    return [
      {
        ...common,
        subject: `snapshot ${shortened(found)}`,
        message: `all snapshots are from the future, this one too (${formatTime(found.time)})`,
        hint: 'Set the clock of this machine ("timedatectl set-ntp true"): it is probably behind.',
      },
    ]
  }
  return future.map(snapshot => ({
    ...common,
    subject: `snapshot ${shortened(snapshot)}`,
    message: `passed over: it is from the future (${formatTime(snapshot.time)}), so a wrong clock made it`,
    hint: `If the clock of this machine is right, remove it with: lifeboat forget ${shortened(snapshot)}`,
  }))
}

function shortened({ id }: Snapshot): string {
  return id.slice(0, SHORT_ID_DIGITS)
}

function ofOneHost(snapshots: readonly Snapshot[], source: string | undefined, host: HostWish): readonly Snapshot[] {
  const of = (name: string): Snapshot[] => snapshots.filter(snapshot => snapshot.hostname === name)
  if (host.named !== undefined) return of(host.named)
  const own = of(host.own)
  if (source === undefined) return snapshots
  if (own.length > 0) return own
  const others = [...new Set(snapshots.map(snapshot => snapshot.hostname))]
  if (others.length <= 1) return snapshots
  throw new AppError('usage', `source ${source} has snapshots of several hosts, none of them this one (${host.own})`, {
    hint: `Name one with --host: ${others.join(', ')}.`,
  })
}

async function getById(repository: Repository, source: string | undefined, prefix: string): Promise<Snapshot> {
  const snapshot = await getByAnyId(repository, prefix)
  const owner = labelsOf(snapshot.tags).source
  if (source === undefined || owner === source) return snapshot
  throw new AppError('snapshot-not-found', `snapshot ${prefix} is not of source ${source}`, {
    hint:
      owner === undefined
        ? 'Restore it with "-" in place of the source: another program wrote it.'
        : `It is of source ${owner}; name that source instead.`,
  })
}

/** By its own id, or by the one that it had first: a list over several repositories shows one id for all copies. */
async function getByAnyId(repository: Repository, prefix: string): Promise<Snapshot> {
  try {
    return await repository.getSnapshot(prefix)
  } catch (error) {
    if (!isAppError(error, 'snapshot-not-found') || !/^[0-9a-f]{4,64}$/.test(prefix)) throw error
    const { snapshots } = await repository.listSnapshots()
    const copies = snapshots.filter(({ original }) => original?.startsWith(prefix))
    const [copy] = copies
    // Of two that a person tagged differently, one must be named by its own id.
    if (copy === undefined || copies.length > 1) throw error
    return copy
  }
}

function onlyParts(source: string | undefined): AppError {
  const whose = source === undefined ? 'in this repository' : `of source ${source}`
  return new AppError('snapshot-not-found', `no whole snapshot ${whose}, only parts and what restores made safe`, {
    hint: 'Run "lifeboat snapshots" and name one by its id.',
  })
}

function notFound(
  source: string | undefined,
  wish: Exclude<SnapshotWish, { kind: 'id' }>,
  own: readonly Snapshot[],
  all: readonly Snapshot[],
): AppError {
  const whose = source === undefined ? 'in this repository' : `of source ${source}`
  const oldest = own[0]
  if (wish.kind === 'at' && oldest !== undefined) {
    return new AppError('snapshot-not-found', `no snapshot ${whose} at or before ${formatTime(wish.time)}`, {
      hint: `The oldest one is of ${formatTime(oldest.time)}.`,
    })
  }
  return new AppError('snapshot-not-found', `no snapshot ${whose}`, { hint: whatThereIs(source, all) })
}

/** What may be the id of a snapshot. */
const HEX = /^[0-9a-f]{4,64}$/

function whatThereIs(source: string | undefined, all: readonly Snapshot[]): string {
  const sources = [...new Set(all.map(snapshot => labelsOf(snapshot.tags).source).filter(name => name !== undefined))]
  if (source === undefined) return 'Run "lifeboat backup" to take one.'
  const meant = suggest(source, sources)
  if (meant !== undefined) return `Did you mean "${meant}"?`
  const named = [...all].reverse().find(({ id }) => source === 'latest' || (HEX.test(source) && id.startsWith(source)))
  const owner = named === undefined ? undefined : labelsOf(named.tags).source
  if (owner !== undefined) return `Name the source before the snapshot: ${owner} ${source}.`
  const others = sources.length > 0 ? ` There are snapshots of: ${sources.join(', ')}.` : ''
  return `Run "lifeboat backup ${source}" to take one.${others}`
}
