import { z } from 'zod'
import { PROOFS, type RecoveryPoint } from '../model/recovery-point.ts'
import type { TimedWindow } from '../operations/logs/windows.ts'
import { bytes, id, type Json, repositoryName, shortId, time } from './fields.ts'
import { incompleteCount } from './incomplete.ts'
import { point } from './point.ts'
import { recoveryWindow, windowJson } from './wal.ts'

const pin = z.strictObject({
  until: time.nullable().describe('null: until it is removed'),
  reason: z.string().nullable(),
})

const snapshot = z.strictObject({
  id,
  shortId,
  time,
  source: z.string().nullable().describe('null: written by another program'),
  kind: z.string().nullable(),
  type: z.string().nullable(),
  repository: repositoryName,
  hostname: z.string(),
  paths: z.array(z.string()),
  tags: z.array(z.string()).describe('those that a person gave'),
  pin: pin.nullable().describe('what keeps it whatever the rules say; null: nothing does'),
  sizeBytes: bytes.nullable().describe('what a restore would write; null where the snapshot does not say'),
  addedBytes: bytes.nullable().describe('what it added to the repository, compressed and encrypted'),
  proof: z.enum(PROOFS).describe('how far it is proven that it comes back; `failed`: it did not pass'),
  provenAt: time.nullable().describe('when that was; null for `recorded`'),
  incomplete: incompleteCount,
  window: recoveryWindow.optional().describe('of a PostgreSQL cluster, when its source is named'),
})

export const SNAPSHOTS_OUTPUTS = {
  snapshots: z.array(snapshot).describe('Oldest first.'),
  pin: z.strictObject({ ...point, pin }),
  unpin: z.strictObject({ ...point, removed: z.boolean().describe('false: it was not pinned') }),
}

/** `window`: that it begins, if it does. */
export function recoveryPointJson(
  recoveryPoint: RecoveryPoint,
  window: TimedWindow | undefined,
): Json<typeof snapshot> {
  const { source, kind, type, sizeBytes, addedBytes, pin: pinned, incomplete, provenAt, ...rest } = recoveryPoint
  return {
    ...rest,
    source: source ?? null,
    kind: kind ?? null,
    type: type ?? null,
    sizeBytes: sizeBytes ?? null,
    addedBytes: addedBytes ?? null,
    pin: pinned === undefined ? null : { until: pinned.until ?? null, reason: pinned.reason ?? null },
    incomplete: incomplete === 0 ? null : { count: incomplete },
    provenAt: provenAt ?? null,
    ...(window === undefined ? {} : { window: windowJson(window) }),
  }
}
