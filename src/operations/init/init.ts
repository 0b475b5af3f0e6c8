import { appendFile, chmod, readFile, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative } from 'node:path'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { createNewFile } from '../../base/new-file.ts'
import type { Random } from '../../base/random.ts'
import type { ProbeReport } from '../probe/storage-probe.ts'

/** A repository of the configuration, as init needs it. */
export interface InitRepository {
  readonly name: string
  readonly location: string
  /** Absolute; undefined when the password comes from elsewhere. */
  readonly passwordFile: string | undefined
  /** Is there one at its place? Must not need the password. */
  readonly exists: () => Promise<boolean>
  /** Creates it and gives its id. */
  readonly create: () => Promise<string>
}

export interface InitializedRepository {
  readonly name: string
  readonly location: string
  readonly created: boolean
  /** Of a new repository. */
  readonly id: string | undefined
  readonly passwordFile: string | undefined
  readonly passwordCreated: boolean
  /** What its storage lets be done; undefined for a folder of this machine. */
  readonly probe?: ProbeReport | undefined
}

const PASSWORD_BYTES = 32

/**
 * Creates the repositories that are missing, and for each a password where its file is missing too. What exists is not
 * touched: not opened, not written, no password file replaced. Killed at any moment, it can be repeated.
 */
export async function createMissingRepositories(
  repositories: readonly InitRepository[],
  random: Random,
  signal: AbortSignal,
): Promise<InitializedRepository[]> {
  const results: InitializedRepository[] = []
  for (const repository of repositories) {
    throwIfAborted(signal)
    const { name, location, passwordFile } = repository
    if (await repository.exists()) {
      results.push({ name, location, created: false, id: undefined, passwordFile, passwordCreated: false })
      continue
    }
    // The password first: a repository whose password is nowhere could never be opened.
    const passwordCreated = passwordFile !== undefined && (await createPassword(passwordFile, random))
    const id = await repository.create()
    results.push({ name, location, created: true, id, passwordFile, passwordCreated })
  }
  return results
}

/** False when there is a file already, which then is the password. */
async function createPassword(file: string, random: Random): Promise<boolean> {
  // Made by somebody who may write to its folder, where we may not.
  if (await configExists(file)) return false
  await makePrivateFolder(dirname(file))
  // 256 bits; letters, digits, "-" and "_" survive every shell, form and copy.
  const password = random.bytes(PASSWORD_BYTES).toString('base64url')
  try {
    return await createNewFile(file, `${password}\n`, 0o600)
  } catch (error) {
    throw cannotWrite(file, error)
  }
}

async function makePrivateFolder(folder: string): Promise<void> {
  try {
    const made = await makeFolders(folder, 0o700)
    if (made !== undefined) await chmod(folder, 0o700)
  } catch (error) {
    throw cannotWrite(folder, error)
  }
}

/** Makes the configuration; `config-exists` when there is one. */
export async function createConfig(file: string, text: string): Promise<void> {
  let created: boolean
  try {
    created = await createNewFile(file, text, 0o644)
  } catch (error) {
    throw cannotWrite(file, error)
  }
  if (created) return
  throw new AppError('config-exists', `${file} exists already`, {
    hint: 'Run "lifeboat init" again: it then creates the repositories that the file names.',
  })
}

/**
 * Adds what must not be committed to `.gitignore` beside the configuration: folders inside of `folder` only. Gives the
 * lines that were added.
 */
export async function ignoreInGit(folder: string, paths: readonly string[]): Promise<string[]> {
  const file = join(folder, '.gitignore')
  const text = await readIfThere(file)
  const present = new Set(text.split(/\r?\n/).map(line => line.trim().replace(/^\/|\/$/g, '')))
  const inside = paths.map(path => relative(folder, path)).filter(path => path !== '' && !leadsOut(path))
  const missing = [...new Set(inside)].filter(path => !present.has(path))
  if (missing.length === 0) return []
  const lines = missing.map(path => (basename(path) === '.lifeboat' ? `${path}/` : `/${path}/`))
  const lead = text === '' || text.endsWith('\n') ? '' : '\n'
  try {
    await appendFile(file, `${lead}${lines.join('\n')}\n`)
  } catch (error) {
    // A configuration in a folder that we may not write to, as in /etc, is committed by somebody else.
    if (isForbidden(error)) return []
    throw cannotWrite(file, error)
  }
  return lines
}

const isForbidden = (error: unknown): boolean => ['EACCES', 'EPERM', 'EROFS'].includes(systemCode(error) ?? '')
const leadsOut = (path: string): boolean => isAbsolute(path) || path === '..' || path.startsWith('../')

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return ''
    throw cannotWrite(file, error)
  }
}

export async function configExists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw cannotWrite(file, error)
  }
}

function cannotWrite(path: string, cause: unknown): AppError {
  const full = systemCode(cause) === 'ENOSPC'
  return new AppError(full ? 'target-full' : 'failed', `cannot write ${path}: ${messageOf(cause)}`, {
    hint: full
      ? 'Free some space, then run "lifeboat init" again.'
      : systemCode(cause) === 'EROFS'
        ? 'That file system is read-only: choose another place.'
        : `Run as the user that owns ${dirname(path)}, or name another place with --to.`,
    cause,
  })
}
