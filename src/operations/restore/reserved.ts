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
      hint: 'Choose another path with --to.',
    })
  }
}
