import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemCode } from './errors.ts'

/** A process that left something behind, with what it takes to prove that it is gone. */
export interface Owner {
  readonly hostname: string
  readonly pid: number
  /** What `processStart` gave in it. Without it nothing can be proven. */
  readonly start?: string | undefined
}

/** `unknown`: a process of another host, container or boot, or one that left no proof. Only its silence can tell. */
export type Life = 'living' | 'gone' | 'unknown'

export function thisProcess(): Owner {
  return { hostname: hostname(), pid: process.pid, start: processStart(process.pid) }
}

/**
 * Tells this life of a process from any other with its id: boot, namespaces, start in clock ticks since the boot.
 * Undefined where the system does not say (only Linux does).
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html field 22
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses and may hold anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : [bootId(), namespaces(), ticks].join(' ')
  } catch {
    return undefined
  }
}

/** The id of the kernel's present boot. Throws where there is none. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/** In another process id namespace, ids are other processes'; in another time namespace, ticks are others. */
function namespaces(): string {
  const own = readlinkSync('/proc/self/ns/pid')
  try {
    return `${own},${readlinkSync('/proc/self/ns/time')}`
  } catch {
    // Before Linux 5.6 there is one time for all.
    return own
  }
}

/** Certain in both directions: it never takes another process, or one that it cannot see, for the owner. */
export function lifeOf(owner: Owner): Life {
  if (owner.start === undefined || owner.hostname !== hostname()) return 'unknown'
  if (placeOf(owner.start) !== placeOf(processStart(process.pid))) return 'unknown'
  const now = processStart(owner.pid)
  if (now !== undefined) return now === owner.start ? 'living' : 'gone'
  // Where /proc hides other users' processes, one that exists may be the owner or not.
  return processExists(owner.pid) ? 'unknown' : 'gone'
}

/** A name for a file or folder of this process that tells whose it is: see `lifeOfNamed`. */
export function ownerName(): string {
  const ticks = processStart(process.pid)?.split(' ').at(-1) ?? '0'
  return `${machineId()}-${process.pid}-${ticks}`
}

const OWNER_NAME = /^([0-9a-f]{16})-([0-9]{1,10})-([0-9]{1,20})(?![0-9])/

/** Of who made something whose name begins with `ownerName()`; undefined for other names. */
export function lifeOfNamed(name: string): Life | undefined {
  const [, machine, pid, ticks] = OWNER_NAME.exec(name) ?? []
  if (machine === undefined) return undefined
  if (machine !== machineId()) return 'unknown'
  const place = placeOf(processStart(process.pid))
  return lifeOf({ hostname: hostname(), pid: Number(pid), start: place && `${place} ${ticks}` })
}

/** Host, boot and namespaces in short: where a process id means something. */
function machineId(): string {
  const text = [hostname(), placeOf(processStart(process.pid)) ?? 'unknown'].join('\0')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Boot and namespaces: where a process id means something. */
function placeOf(start: string | undefined): string | undefined {
  return start?.slice(0, start.lastIndexOf(' '))
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
