import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../base/errors.ts'

/**
 * The folder that a URL names, absolute.
 * @param url a path (`~/` is the home folder) or a `file:` URL
 */
export function rootOf(url: string, baseDir: string): string {
  if (/^file:/i.test(url)) {
    try {
      return fileURLToPath(url)
    } catch (error) {
      throw new AppError('usage', `cannot use the url ${url}`, {
        cause: error,
        hint: 'Write an absolute path, like file:///backups.',
      })
    }
  }
  if (url === '~' || url.startsWith('~/')) return join(homedir(), url.slice(1))
  return resolve(baseDir, url)
}
