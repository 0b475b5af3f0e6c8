import { formatDuration } from '../../base/durations.ts'
import { formatTimeWithZone } from '../../base/times.ts'
import type { FoundLocks, LockExamination, LockSample } from '../../repository/index.ts'

/** Could who gets the key of a repository's storage destroy the backups in it? */
export type LockVerdict = 'protected' | 'not-protected' | 'unknown'

export interface LockReason {
  readonly code: 'storage' | 'settings' | 'bucket' | 'try' | 'objects'
  /** Does it speak for the backups? Null: it could not be found out. */
  readonly holds: boolean | null
  /** What was found, and how. */
  readonly message: string
}

/** What the facts come to. What speaks against it decides, then what could not be found out. */
export function judgeLocks({ locks, overwrites }: LockExamination): {
  readonly verdict: LockVerdict
  readonly reasons: readonly LockReason[]
} {
  const reasons = locks ? reasonsOf(locks) : [withoutLocks(overwrites)]
  const isAgainst = reasons.some(({ holds }) => holds === false)
  const isOpen = reasons.some(({ holds }) => holds === null)
  return { verdict: isAgainst ? 'not-protected' : isOpen ? 'unknown' : 'protected', reasons }
}

function withoutLocks(overwrites: boolean): LockReason {
  return overwrites
    ? {
        code: 'storage',
        holds: false,
        message: 'this kind of storage has no locks: whoever may write there may delete everything',
      }
    : {
        code: 'storage',
        holds: null,
        message: 'whether this server lets anything be deleted, only those who run it know (restic’s: --append-only)',
      }
}

function reasonsOf(locks: FoundLocks): LockReason[] {
  const { settings, bucket, tries, sample } = locks
  // A rule for a folder, or a right that the key does not have: then the tries say what there is to say.
  const isByRules = sample === undefined && tries.some(({ came }) => came === 'refused')
  return [
    ...(isByRules ? [] : [bucketReason(bucket), settingsReason(settings)]),
    ...tries.map(one => tryReason(one, settings?.mode)),
    ...(sample ? [sampleReason(sample)] : []),
  ].filter(reason => reason !== undefined)
}

/** Undefined where the bucket says nothing: what can be locked is tried and read all the same. */
function bucketReason({ locksObjects, keepsVersions }: FoundLocks['bucket']): LockReason | undefined {
  if (locksObjects === undefined) return undefined
  const can = locksObjects ? 'can lock objects' : 'cannot lock objects'
  const versions = keepsVersions === undefined ? '' : `, and ${keepsVersions ? 'keeps' : 'does not keep'} old versions`
  return { code: 'bucket', holds: locksObjects, message: `the bucket ${can}${versions} (its own word)` }
}

function settingsReason(settings: FoundLocks['settings']): LockReason {
  if (settings === undefined) {
    return {
      code: 'settings',
      holds: false,
      message:
        'the configuration has no "lock" for this repository, so nothing is locked for longer while it is needed',
    }
  }
  const who =
    settings.mode === 'compliance' ? 'nobody can end a lock earlier' : 'a special permission can end a lock earlier'
  const message = `every backup locks all of the repository for ${formatDuration(settings.periodMs)} or more; ${who} (configuration: lock, ${settings.mode})`
  return { code: 'settings', holds: true, message }
}

function tryReason(
  { folder, isLocked, came }: FoundLocks['tries'][number],
  mode: 'governance' | 'compliance' | undefined,
): LockReason {
  const object = `an empty object in ${folder}`
  const common = { code: 'try' } as const
  if (came === 'destroyed') {
    return { ...common, holds: false, message: `${object} was destroyed with the present key` }
  }
  if (came === 'ended') {
    return {
      ...common,
      holds: false,
      message: `${object} was destroyed with the present key, which may end locks of the mode ${mode ?? 'governance'}`,
    }
  }
  if (came === 'not-stored') {
    return { ...common, holds: null, message: `the present key may not store ${object} to try what destroys it` }
  }
  if (isLocked) {
    return {
      ...common,
      holds: true,
      message: `${object}, locked for some minutes, could not be destroyed with the present key`,
    }
  }
  return {
    ...common,
    holds: null,
    message: `${object} could not be destroyed with the present key; for how long, and who can change that, the service does not say`,
  }
}

function sampleReason({ read, total, unlocked, firstEnd }: LockSample): LockReason {
  const looked = read === total ? `all ${total} objects` : `${read} of ${total} objects`
  const [example] = unlocked
  if (example !== undefined) {
    const message = `of ${looked}, ${unlocked.length} ${unlocked.length === 1 ? 'is' : 'are'} not locked, such as ${example}`
    return { code: 'objects', holds: false, message }
  }
  const until = firstEnd ? `; the first lock ends ${formatTimeWithZone(firstEnd)}` : ''
  return { code: 'objects', holds: true, message: `${looked} were asked for their locks, and all are locked${until}` }
}
