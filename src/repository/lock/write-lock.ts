import { processStart } from '../../base/process-life.ts'
import type { Id } from '../../model/node.ts'
import { formatLockFile } from '../format/lock-file.ts'
import type { LocksContext } from './locks-context.ts'
import { currentHost } from './owner.ts'

/** Stores a lock file of this process with the present time. */
export async function writeLock(
  { files, clock }: Pick<LocksContext, 'files' | 'clock'>,
  exclusive: boolean,
): Promise<Id> {
  const file = {
    ...currentHost(),
    time: clock.now(),
    exclusive,
    pid: process.pid,
    processStart: processStart(process.pid),
  }
  return await files.save('lock', formatLockFile(file))
}
