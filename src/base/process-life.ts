import { readFileSync, readlinkSync } from 'node:fs'
import { systemCode } from './errors.ts'

/**
 * Tells this life of a process from any other with its id: boot, process id namespace, start in clock ticks since boot.
 * Undefined where the system does not say (only Linux does).
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html field 22
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses and may hold anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : [bootId(), readlinkSync('/proc/self/ns/pid'), ticks].join(' ')
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/**
 * Is a process of this host certainly gone? `start` is what `processStart` gave in it. False where that can't be told:
 * in another namespace, process ids are other processes'.
 */
export function isProcessGone(pid: number, start: string | undefined): boolean {
  const [boot] = start?.split(' ') ?? []
  const [myBoot] = processStart(process.pid)?.split(' ') ?? []
  if (isOfOtherNamespace(start)) return false
  if (!processExists(pid)) return true
  // The id may be another process's by now.
  return boot !== undefined && myBoot !== undefined && start !== processStart(pid)
}

/** Was this the start of a process in another process id namespace, such as a container, since this host's last boot? */
export function isOfOtherNamespace(start: string | undefined): boolean {
  const [boot, namespace] = start?.split(' ') ?? []
  const [myBoot, myNamespace] = processStart(process.pid)?.split(' ') ?? []
  return boot !== undefined && boot === myBoot && namespace !== myNamespace
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
