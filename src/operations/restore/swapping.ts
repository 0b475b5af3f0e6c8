import type { KeptRequest, Settled, Source, SwapAccess } from '../../sources/source.ts'

/** Can it exchange what is there with what is made beside? Else it writes into it, guarded by a safety recovery point. */
export function swaps({ traits }: Pick<Source, 'traits'>): boolean {
  return traits.changes.includes('swap')
}

/** How what a swap kept comes back, or goes. Only a source that swaps keeps anything. */
export function swapAccessOf({ kind, targets }: Pick<Source, 'kind' | 'targets'>): SwapAccess {
  if (targets.putBack === undefined || targets.dropKept === undefined) {
    throw new Error(`sources of kind ${kind} keep nothing beside, and there is something to put back`)
  }
  return targets as SwapAccess
}

/** What a killed restore left at its target. */
export async function settleAt({ targets }: Pick<Source, 'targets'>, request: KeptRequest): Promise<Settled> {
  return (await targets.settle?.(request)) ?? { state: 'half-written', kept: [] }
}
