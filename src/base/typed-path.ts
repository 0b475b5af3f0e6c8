import { homedir } from 'node:os'
import { AppError } from './errors.ts'

/**
 * A path as a person wrote it in a file or after an option, where no shell expands `~/`. Throws `usage` for one of
 * Windows, which here would be the name of a new file, and where there is no home folder.
 */
export function typedPath(path: string, environment: Readonly<Record<string, string | undefined>>): string {
  const [, drive, rest = ''] = /^([A-Za-z]):[\\/](.*)$/s.exec(path) ?? []
  if (drive !== undefined) {
    const here = `/mnt/${drive.toLowerCase()}/${rest.replaceAll('\\', '/')}`
    throw new AppError('usage', 'this is a path of Windows', { hint: `Under WSL it is ${here}.` })
  }
  if (path.startsWith('\\\\')) {
    throw new AppError('usage', 'this is a path of Windows', {
      hint: 'Mount the share, and give the path of the mount.',
    })
  }
  if (!path.startsWith('~/')) return path
  return `${homeOf(environment)}${path.slice(1)}`
}

function homeOf({ HOME }: Readonly<Record<string, string | undefined>>): string {
  if (HOME) return HOME
  try {
    return homedir()
  } catch (cause) {
    throw new AppError('usage', '"~" means nothing here: this user has no home folder', {
      hint: 'Write the whole path, or set HOME.',
      cause,
    })
  }
}
