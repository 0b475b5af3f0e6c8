import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Without symbolic links, as far as the path exists. */
export async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(await realPathOf(parent), basename(path))
  }
}

/** Do both mean the same place, whatever links lead there? */
export async function isSamePath(one: string, other: string): Promise<boolean> {
  return one === other || (await realPathOf(one)) === (await realPathOf(other))
}
