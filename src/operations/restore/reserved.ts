import { sep } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { realPathOf } from '../../base/real-path.ts'

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
      hint: 'Restore to another place with --to PATH, then copy what you need from there.',
    })
  }
}

/** A server's, not a place in the file system. */
export const URL_FORM = /^([a-z][a-z0-9+.-]*):\/\//i

/** Does one of our folders lie in the target? A swap would take it away with the rest. Gives the first. */
export async function findReservedIn(target: string, reserved: readonly string[]): Promise<string | undefined> {
  if (URL_FORM.test(target)) return undefined
  const real = await realPathOf(target)
  for (const folder of reserved) {
    if ((await realPathOf(folder)).startsWith(real.endsWith(sep) ? real : real + sep)) return folder
  }
  return undefined
}

/** Throws `target-invalid` for a target that can't be swapped for that reason. */
export async function refuseToSwapReserved(target: string, reserved: readonly string[]): Promise<void> {
  const folder = await findReservedIn(target, reserved)
  if (folder === undefined) return
  throw new AppError('target-invalid', `${folder}, which is Lifeboat's own, lies in ${target}`, {
    hint: 'Add --force, without --no-delta, to write into the folder instead of replacing it, or choose another one with --to.',
  })
}
