import { AppError } from '../base/errors.ts'
import type { RepairWish } from '../operations/repair/repair.ts'
import type { Call } from './command.ts'
import { askForYes } from './restore/confirm.ts'
import type { SeveralRepositories } from './several-repositories.ts'

export interface EachRepair<Report> {
  readonly names: readonly string[]
  readonly work: (wish: RepairWish) => Promise<Report>
  /** Would anything change? */
  readonly isNeeded: (foreseen: Report) => boolean
  readonly describe: (foreseen: Report, dryRun: boolean) => string
}

/** Of each repository: shows what would be done and what would be lost, asks, does it. Where there is nothing to do, nobody is asked. */
export async function repairEach<Report>(
  call: Call,
  several: SeveralRepositories,
  { names, work, isNeeded, describe }: EachRepair<Report>,
): Promise<Report[]> {
  const lockWaitMs = call.values.durationMs('lockWait', '--lock-wait')
  return await several.each(names, async repository => {
    const foreseen = await work({ repository, dryRun: true, lockWaitMs })
    if (call.values.flag('dryRun') || !isNeeded(foreseen)) return foreseen
    await confirmRepair(call, describe(foreseen, true))
    return await work({ repository, dryRun: false, lockWaitMs })
  })
}

async function confirmRepair(call: Call, account: string): Promise<void> {
  if (call.values.flag('yes')) return
  if (call.terminal.interactive && !call.json) return await askForYes(call, account)
  throw new AppError('plan-declined', 'a repair asks before it changes anything', {
    hint: 'Add --dry-run to see what it would do, or --yes to do it.',
  })
}
