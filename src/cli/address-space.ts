import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { AppError } from '../base/errors.ts'
import { formatSize } from '../base/sizes.ts'

const MIB = 1024 * 1024
/** Reserved by the engine for itself, and by each thread, most of it never touched. Tried: with less, it ends in Node's stack. */
const START_BYTES = 1024 * MIB
const THREAD_BYTES = 512 * MIB

/**
 * Throws where the address space is limited (`ulimit -v`) so far that Node would end in the middle with nothing but a stack.
 * It reserves much more than it uses, so such a limit is the wrong one for it.
 */
export function requireAddressSpace(limits = readLimits(), threads = availableParallelism()): void {
  const limit = /^Max address space +(\d+) /m.exec(limits)?.[1]
  const needed = START_BYTES + threads * THREAD_BYTES
  if (limit === undefined || Number(limit) >= needed) return
  throw new AppError('failed', `the address space is limited to ${formatSize(Number(limit))}, too little for Node`, {
    hint: `Say "ulimit -v unlimited" first (at least ${Math.ceil(needed / 1024)}); to limit memory use a control group, such as systemd's MemoryMax=.`,
  })
}

/** Other systems than Linux have none. */
function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return ''
  }
}
