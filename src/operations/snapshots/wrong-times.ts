import { formatTimeWithZone } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import { describeWrongTime, findWrongTime, type WrongTime } from '../../model/snapshot-time.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'

/** Snapshots whose time cannot be right, as warnings: `latest` and retention pass them over, and a person should know. */
export async function findWrongTimes(
  repository: Pick<Repository, 'readSnapshotTimes'>,
  snapshots: readonly Snapshot[],
  now: Date,
): Promise<Finding[]> {
  if (snapshots.length === 0) return []
  const times = await repository.readSnapshotTimes()
  return snapshots.flatMap(snapshot => {
    const storedAt = times.get(snapshot.id)
    const wrong = findWrongTime({ time: snapshot.time, storedAt }, now)
    return wrong === undefined ? [] : [wrongTime(snapshot, wrong, storedAt)]
  })
}

function wrongTime({ id, time, hostname, tags }: Snapshot, wrong: WrongTime, storedAt: Date | undefined): Finding {
  const { source } = labelsOf(tags)
  const stored = storedAt === undefined ? '' : `, stored on ${formatTimeWithZone(storedAt)}`
  return {
    severity: 'warning',
    code: 'snapshot-time-wrong',
    subject: `snapshot ${id.slice(0, 8)}`,
    message: `it is ${describeWrongTime(wrong)}: of ${formatTimeWithZone(time)}${stored}`,
    hint: `The clock of ${hostname} was wrong, or somebody wants ${source === undefined ? 'it' : `a snapshot of ${source}`} to look new. It takes no other snapshot's place. If it is none of yours: lifeboat forget ${id.slice(0, 8)}`,
    affects: [id],
  }
}
