import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AdapterContext } from '../base/adapter-context.ts'
import { AppError, messageOf } from '../base/errors.ts'

/** The certificates that a person names beside those of the system, as PEM. */
export async function loadAuthorities(
  caFile: string | undefined,
  { baseDir }: Pick<AdapterContext, 'baseDir'>,
): Promise<string | undefined> {
  if (caFile === undefined) return undefined
  const file = resolve(baseDir, caFile)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new AppError('config-invalid', `cannot read the certificates in ${file}: ${messageOf(error)}`, {
      hint: 'Correct "caFile".',
      cause: error,
    })
  }
}
