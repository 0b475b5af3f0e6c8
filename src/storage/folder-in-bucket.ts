import { AppError } from '../base/errors.ts'

/** A folder in a bucket as a prefix of keys, '' or ending in '/', as `path.Clean` of Go has it, which restic uses. */
export function prefixOf(folder: string, what: string): string {
  const parts = folder.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) {
    throw new AppError('usage', `the ${what} URL of the repository goes up with ".."`, {
      hint: 'Write the folder as it is.',
    })
  }
  return parts.length === 0 ? '' : `${parts.join('/')}/`
}
