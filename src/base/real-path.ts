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
