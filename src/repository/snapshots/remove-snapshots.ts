import { throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { ChooseSnapshots } from '../contract/maintenance.ts'
import type { LockedSnapshot } from '../contract/snapshot.ts'
import type { PinStore } from '../pins/pin-store.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** Returns those that the storage does not let go of. The caller holds the exclusive lock. */
export async function removeSnapshots(
  { snapshots, pins }: { readonly snapshots: SnapshotStore; readonly pins: PinStore },
  which: readonly Id[] | ChooseSnapshots,
  signal: AbortSignal,
): Promise<LockedSnapshot[]> {
  const pinned = (await pins.list()).pins
  const ids = typeof which === 'function' ? which((await snapshots.list()).snapshots, pinned) : which
  const locked: LockedSnapshot[] = []
  for (const id of ids) {
    throwIfAborted(signal)
    const until = await snapshots.remove(id)
    if (until !== 'removed') locked.push({ id, until })
    // One that has ended.
    else if (pinned.some(pin => pin.snapshot === id)) await pins.remove(id)
  }
  return locked
}
