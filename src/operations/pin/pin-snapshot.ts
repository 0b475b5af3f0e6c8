import { AppError } from '../../base/errors.ts'
import { isPinReason, type Pin } from '../../model/pin.ts'
import type { Choice, ChosenSnapshot } from '../snapshots/choose-snapshot.ts'
import { chooseSnapshot } from '../snapshots/choose-snapshot.ts'
import { type Caller, type Run, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface PinWish extends Choice, Pick<Pin, 'until' | 'reason'> {
  readonly lockWaitMs?: number | undefined
}

export interface Pinned extends ChosenSnapshot {
  readonly pin: Pin
}

/** Keeps a recovery point whatever the rules of retention say. In place of a pin that it has. */
export async function pinSnapshot(workspace: Workspace, wish: PinWish, caller: Caller): Promise<Pinned> {
  const { until, reason, lockWaitMs } = wish
  if (until !== undefined && until <= workspace.clock.now()) {
    throw new AppError('usage', 'a pin cannot end in the past', {
      hint: 'Give a time to come, like 90d or "2027-01-31", or leave --until out to keep it until "lifeboat unpin".',
    })
  }
  if (reason !== undefined && !isPinReason(reason)) {
    throw new AppError('usage', 'the reason does not fit', { hint: 'Give one line of at most 200 characters.' })
  }
  const chosen = await chooseSnapshot(workspace, wish, finding => caller.onEvent?.({ kind: 'finding', finding }))
  const pin = { snapshot: chosen.snapshot.id, until, reason }
  await recorded(workspace, caller, 'pin', chosen, ({ signal }) =>
    chosen.repository.savePin(pin, { signal, lockWaitMs }),
  )
  return { ...chosen, pin }
}

/** From now on the rules of retention decide again. `removed` is false where it was not pinned. */
export async function unpinSnapshot(
  workspace: Workspace,
  wish: Choice,
  caller: Caller,
): Promise<ChosenSnapshot & { readonly removed: boolean }> {
  const chosen = await chooseSnapshot(workspace, wish, finding => caller.onEvent?.({ kind: 'finding', finding }))
  const removed = await recorded(workspace, caller, 'unpin', chosen, ({ signal }) =>
    chosen.repository.removePin(chosen.snapshot.id, signal),
  )
  return { ...chosen, removed }
}

async function recorded<T>(
  workspace: Workspace,
  caller: Caller,
  operation: string,
  { name, snapshot }: ChosenSnapshot,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  return await runOnce(workspace, caller, { operation, repository: name }, work, () => ({
    outcome: 'done',
    snapshot: snapshot.id,
    statistics: {},
    findings: [],
  }))
}
