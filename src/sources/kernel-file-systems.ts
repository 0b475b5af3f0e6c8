import { statfsSync } from 'node:fs'

/**
 * What the kernel makes up as it is read: no data of anybody, files without end among it (`/proc/kcore`).
 *
 * @see statfs(2), and linux/magic.h
 */
const MADE_UP: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x1cd1, // devpts
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x6e736673, // nsfs
  0x42494e4d, // binfmt_misc
  0x62656570, // configfs
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
  0x19800202, // mqueue
])

/** Remembers what file system each device holds. */
export class KernelFileSystems {
  readonly #known = new Map<bigint | number, boolean>()

  /** Is what is mounted at this folder, of this device, made up by the kernel? */
  has(device: bigint | number, folder: string | Buffer): boolean {
    const known = this.#known.get(device)
    if (known !== undefined) return known
    const found = isMadeUp(folder)
    this.#known.set(device, found)
    return found
  }
}

function isMadeUp(folder: string | Buffer): boolean {
  if (process.platform !== 'linux') return false
  try {
    return MADE_UP.has(statfsSync(folder).type)
  } catch {
    // Whoever goes in will see what is wrong with it.
    return false
  }
}
