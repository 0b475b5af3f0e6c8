import { z } from 'zod'
import { PROOFS, type RecoveryPoint } from '../model/recovery-point.ts'
import type { TimedWindow } from '../operations/logs/windows.ts'
import type { CopiedPoint } from '../operations/snapshots/copies-of-points.ts'
import { bytes, id, type Json, repositoryName, shortId, time } from './fields.ts'
import { incompleteCount } from './incomplete.ts'
import { point } from './point.ts'
import { recoveryWindow, windowJson } from './wal.ts'

const pin = z.strictObject({
  until: time.nullable().describe('null: until it is removed'),
  reason: z.string().nullable(),
})

const proof = z.enum(PROOFS).describe('how far it is proven that it comes back; `failed`: it did not pass')
const provenAt = time.nullable().describe('when that was; null for `recorded`')

/** What is of one place. */
const placed = {
  id,
  shortId,
  repository: repositoryName,
  pin: pin.nullable().describe('what keeps it whatever the rules say; null: nothing does'),
  addedBytes: bytes.nullable().describe('what it added where it was captured, compressed and encrypted'),
  proof,
  provenAt,
}

const snapshot = z.strictObject({
  ...placed,
  time,
  source: z.string().nullable().describe('null: written by another program'),
  kind: z.string().nullable(),
  type: z.string().nullable(),
  hostname: z.string(),
  paths: z.array(z.string()),
  tags: z.array(z.string()).describe('those that a person gave'),
  sizeBytes: bytes.nullable().describe('what a restore would write; null where the snapshot does not say'),
  incomplete: incompleteCount,
  window: recoveryWindow.optional().describe('of a PostgreSQL cluster, when its source is named'),
  copies: z
    .array(z.strictObject(placed))
    .describe('the same recovery point in each repository, nearest first; the fields above are those of the first'),
  unknown: z.array(repositoryName).describe('repositories that could not be read: they may have it too'),
})

export const SNAPSHOTS_OUTPUTS = {
  snapshots: z.array(snapshot).describe('Oldest first.'),
  pin: z.strictObject({ ...point, pin }),
  unpin: z.strictObject({ ...point, removed: z.boolean().describe('false: it was not pinned') }),
}

/** `window`: that it begins, if it does. */
export function recoveryPointJson(
  point: CopiedPoint,
  { window, unknown }: { readonly window: TimedWindow | undefined; readonly unknown: readonly string[] },
): Json<typeof snapshot> {
  const { source, kind, type, sizeBytes, incomplete, copies, time: at, hostname, paths, tags } = point
  return {
    ...placedJson(point),
    time: at,
    hostname,
    paths,
    tags,
    source: source ?? null,
    kind: kind ?? null,
    type: type ?? null,
    sizeBytes: sizeBytes ?? null,
    incomplete: incomplete === 0 ? null : { count: incomplete },
    copies: copies.map(placedJson),
    unknown,
    ...(window === undefined ? {} : { window: windowJson(window) }),
  }
}

function placedJson(copy: RecoveryPoint) {
  const { id: snapshotId, shortId: short, repository, addedBytes, pin: pinned, proof: level, provenAt: at } = copy
  return {
    id: snapshotId,
    shortId: short,
    repository,
    addedBytes: addedBytes ?? null,
    pin: pinned === undefined ? null : { until: pinned.until ?? null, reason: pinned.reason ?? null },
    proof: level,
    provenAt: at ?? null,
  }
}
