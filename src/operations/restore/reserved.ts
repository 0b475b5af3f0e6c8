import { realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { AppError } from '../../base/errors.ts'

/**
 * Throws `target-invalid` for a target in one of the folders that are ours: a restored file named `config` would destroy
 * a repository, and `--force` is soon typed.
 */
export async function refuseReserved(target: string, reserved: readonly string[]): Promise<void> {
  const real = await realPathOf(target)
  for (const folder of reserved) {
    const own = await realPathOf(folder)
    if (real !== own && !real.startsWith(own.endsWith(sep) ? own : own + sep)) continue
    throw new AppError('target-invalid', `refusing to restore into ${folder}, which is Lifeboat's own folder`, {
      hint: 'Choose another path with --to.',
    })
  }
}

/** Without symbolic links, as far as the path exists. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(await realPathOf(parent), basename(path))
  }
}

/** Throws `target-invalid` where one of our folders lies in the target: a swap would take it away with the rest. */
export async function refuseToSwapReserved(target: string, reserved: readonly string[]): Promise<void> {
  const real = await realPathOf(target)
  for (const folder of reserved) {
    if (!(await realPathOf(folder)).startsWith(real.endsWith(sep) ? real : real + sep)) continue
    throw new AppError('target-invalid', `${folder}, which is Lifeboat's own, lies in ${target}`, {
      hint: 'Say --force to write into the folder that is there instead of replacing it, or choose another with --to.',
    })
  }
}
