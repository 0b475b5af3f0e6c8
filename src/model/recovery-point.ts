import type { BackupType } from './manifest.ts'
import type { Id } from './node.ts'
import type { Pin } from './pin.ts'

export const PROOF_LEVELS = ['checked', 'restored'] as const
/** How far it can be proven that a recovery point comes back: every byte read and hashed; really restored. */
export type ProofLevel = (typeof PROOF_LEVELS)[number]

export const PROOFS = ['recorded', ...PROOF_LEVELS, 'failed'] as const
/** What is known of a recovery point: only that it was stored; what it proved; that it failed to. */
export type Proof = (typeof PROOFS)[number]

/** The strongest proof, or the failure that no later proof of its level has made good. */
export interface ProofRecord {
  readonly proof: Exclude<Proof, 'recorded'>
  readonly at: Date
}

/** The tags that make a snapshot ours. restic shows and filters them as any others. */
export interface SnapshotLabels {
  readonly source: string
  readonly kind: string
  readonly type: BackupType
  readonly run: string
  /** How much of the source it lacks; undefined: nothing. A list needs to open no manifest to know. */
  readonly incomplete?: number | undefined
}

export function labelsToTags(labels: SnapshotLabels): string[] {
  const { source, kind, type, run, incomplete } = labels
  const tags = ['lifeboat', `source:${source}`, `kind:${kind}`, `type:${type}`, `run:${run}`]
  return incomplete === undefined ? tags : [...tags, `incomplete:${incomplete}`]
}

const INCOMPLETE_TAG = /^incomplete:\d+$/

/** What the tags say; empty for snapshots that another program wrote. */
export function labelsOf(tags: readonly string[]): Partial<SnapshotLabels> {
  if (!tags.includes('lifeboat')) return {}
  const labels: { -readonly [Label in keyof SnapshotLabels]?: SnapshotLabels[Label] } = {}
  for (const tag of tags) {
    if (tag.startsWith('source:')) labels.source = tag.slice(7)
    else if (tag.startsWith('kind:')) labels.kind = tag.slice(5)
    else if (tag.startsWith('type:')) labels.type = tag.slice(5) as BackupType
    else if (tag.startsWith('run:')) labels.run = tag.slice(4)
    else if (INCOMPLETE_TAG.test(tag)) labels.incomplete = Number(tag.slice(11))
  }
  return labels
}

/** On what a restore took of its target before it changed it. No `latest` means it, and no other snapshot makes room for it. */
export const SAFETY_TAG = 'safety'

/** Code of the finding that taking one captures far more than comes back: asked about even where all else is forced. */
export const LARGE_SAFETY_POINT = 'safety-point-large'

export function isSafetyPoint(tags: readonly string[]): boolean {
  return tags.includes('lifeboat') && tags.includes(SAFETY_TAG)
}

const POLICY = 'policy:'

/** Marks a snapshot as one of this policy's, which then judges how long it stays. */
export function policyTag(name: string): string {
  return POLICY + name
}

/** The policies that a snapshot was taken for; none for one that was taken by hand. */
export function policiesOf(tags: readonly string[]): string[] {
  if (!tags.includes('lifeboat')) return []
  return tags.filter(tag => tag.startsWith(POLICY)).map(tag => tag.slice(POLICY.length))
}

/** Clocks that people keep differ by so much. */
const FUTURE_MS = 10 * 60_000

/** A snapshot of the future was taken by a wrong clock: it is the newest of nothing. */
export function isOfFuture(time: Date, now: Date): boolean {
  return time.getTime() > now.getTime() + FUTURE_MS
}

/**
 * What all copies of a recovery point have in common, wherever they live: the id that it had first, by which restic's
 * `copy` tells them too, and what was captured when. Tags may differ: a person may have changed them in one place.
 */
export function pointKey(snapshot: {
  readonly id: Id
  readonly original?: Id | undefined
  readonly tree: Id
  readonly time: Date
}): string {
  return `${snapshot.original ?? snapshot.id} ${snapshot.tree} ${snapshot.time.getTime()}`
}

/** The tags a person gave, without ours. */
export function userTags(tags: readonly string[]): string[] {
  if (!tags.includes('lifeboat')) return [...tags]
  return tags.filter(
    tag => tag !== 'lifeboat' && !/^(source|kind|type|run|policy):/.test(tag) && !INCOMPLETE_TAG.test(tag),
  )
}

/** A snapshot as people see it. `source`, `kind` and `type` are undefined for one that another program wrote. */
export interface RecoveryPoint {
  /** See `pointKey`. */
  readonly key: string
  readonly id: Id
  readonly shortId: string
  readonly time: Date
  readonly source: string | undefined
  readonly kind: string | undefined
  readonly type: string | undefined
  /** The repository's name in the configuration. */
  readonly repository: string
  readonly hostname: string
  readonly paths: readonly string[]
  /** Those that a person gave. */
  readonly tags: readonly string[]
  /** That it was taken for; none: by hand. */
  readonly policies: readonly string[]
  /** What keeps it; undefined where nothing does (any more). */
  readonly pin: Pin | undefined
  /** What a restore would write; undefined where the snapshot does not say. */
  readonly sizeBytes: number | undefined
  /** What it added to the repository, compressed and sealed. */
  readonly addedBytes: number | undefined
  /** How many things of the source it lacks, or has not as they were; 0: it is whole. */
  readonly incomplete: number
  readonly proof: Proof
  /** When it was proven, or failed to be; undefined for `recorded`. */
  readonly provenAt: Date | undefined
}

export const SHORT_ID_DIGITS = 8
