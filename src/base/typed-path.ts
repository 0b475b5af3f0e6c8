import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { AppError } from './errors.ts'

/**
 * A path as a person wrote it in a file or after an option, where no shell expands `~/`. Throws `usage` for one of
 * Windows or a relative `file:` URL, which here would be the name of a new file, and where there is no home folder.
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
  if (/^file:/i.test(path)) return pathOfUrl(path)
  if (!path.startsWith('~/')) return path
  return `${homeOf(environment)}${path.slice(1)}`
}

/** A relative one is relative to what only its reader knows: for Prisma the folder of `schema.prisma`. */
function pathOfUrl(url: string): string {
  const rest = url.slice('file:'.length).replace(/[?#].*$/s, '')
  if (!/^(\/\/(localhost)?)?\/(?!\/)/i.test(rest)) {
    const path = rest.startsWith('.') ? rest : `./${rest.replace(/^\/+/, '')}`
    throw new AppError('usage', 'this is a file: URL without an absolute path', {
      hint: `Write the path itself, such as ${path}.`,
    })
  }
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new AppError('usage', 'this file: URL cannot be read', { hint: 'Write the path itself.', cause })
  }
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
