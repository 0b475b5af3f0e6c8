import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { keeps, longestPin, type Pin } from '../../model/pin.ts'
import { pointKey } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'

export interface CopiedPins {
  readonly copied: number
  readonly findings: readonly Finding[]
}

/**
 * Pins what was copied as it is pinned where it came from, unless it is pinned for longer already. A pin that was removed
 * there stays here: what keeps something may travel, what lets it go may not.
 */
export async function copyPins(
  from: Repository,
  to: Repository,
  snapshots: readonly Snapshot[],
  now: Date,
): Promise<CopiedPins> {
  const pins = new Map((await from.listPins()).pins.filter(pin => keeps(pin, now)).map(pin => [pin.snapshot, pin]))
  if (pins.size === 0) return { copied: 0, findings: [] }
  const there = new Map((await to.listSnapshots()).snapshots.map(snapshot => [pointKey(snapshot), snapshot.id]))
  const known = new Map((await to.listPins()).pins.map(pin => [pin.snapshot, pin]))
  let copied = 0
  for (const snapshot of snapshots) {
    const pin = pins.get(snapshot.id)
    const id = pin && there.get(pointKey(snapshot))
    if (pin === undefined || id === undefined) continue
    const wanted: Pin = { ...pin, snapshot: id }
    const old = known.get(id)
    if (old !== undefined && longestPin([old, wanted]) === old) continue
    try {
      await to.savePin(wanted)
      copied++
    } catch (error) {
      if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
      return { copied, findings: [notPinned(to, error)] }
    }
  }
  return { copied, findings: [] }
}

function notPinned({ location }: Repository, { code, message }: AppError): Finding {
  return {
    severity: 'warning',
    code: 'pin-not-copied',
    subject: `pins in ${location}`,
    message: `${message} (${code}); what is pinned where it came from is not pinned there`,
    hint: 'Keep it there by its rules of retention.',
  }
}
