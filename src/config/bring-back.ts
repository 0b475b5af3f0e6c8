import { stringify } from 'yaml'
import { AppError } from '../base/errors.ts'
import { readDocument, writtenDocument } from './document.ts'
import { repositoryOfKept } from './kept.ts'
import { PASSWORD_KEYS, ROOT_KEYS } from './schema.ts'
import type { SecretReference } from './secrets.ts'

type Mapping = Record<string, unknown>

export interface BroughtBack {
  readonly text: string
  /** The repository that it came from. */
  readonly repository: string
  /** What would run a program or send a request. It is in `text` as a comment only. */
  readonly leftOut: readonly LeftOut[]
  /** Variables of the environment without a default. */
  readonly variables: readonly string[]
  /** Files that it names, as they are written. */
  readonly files: readonly NamedFile[]
}

export interface LeftOut {
  /** `sources.shop.restore.before` */
  readonly key: string
  readonly value: unknown
}

export interface NamedFile {
  readonly key: string
  readonly path: string
}

/** Where the configuration came from, and how that was opened just now; undefined: the password was typed. */
export interface Origin {
  readonly url: string
  readonly password: Pick<SecretReference, 'passwordFile' | 'passwordEnv'> | undefined
}

/**
 * A configuration from a repository, for a new machine. Whoever could write to the repository may have written it: nothing in
 * what this gives runs a program or sends a request. `config-invalid` where it is none.
 */
export function bringBack(kept: string, origin: Origin): BroughtBack {
  const written = mappingOf(kept)
  const leftOut: LeftOut[] = []
  const config = (passive(written, [], leftOut) ?? {}) as Mapping
  const repository = setOrigin(config, repositoryOfKept(kept), origin)
  const body = stringify(config, { lineWidth: 0 })
  return {
    text: `# Brought back from ${commented(origin.url)}\n${body}${leftOutComment(leftOut)}`,
    repository,
    leftOut,
    variables: variablesIn(body),
    files: [...filesIn(config, [])],
  }
}

function mappingOf(text: string): Mapping {
  // Whatever the variables hold, the rest must be right.
  const environment = new Proxy<Record<string, string>>({}, { get: () => 'x' })
  const { problems, value } = readDocument(text, { environment, rootKeys: ROOT_KEYS })
  const [problem] = problems
  if (problem === undefined && typeof value === 'object' && value !== null) return writtenDocument(text) as Mapping
  throw new AppError('config-invalid', `the kept configuration cannot be read: ${problem?.message ?? 'it is empty'}`, {
    hint: 'Write one with "lifeboat init"; "lifeboat cat ID /.lifeboat/lifeboat.yaml --repo URL" shows what was kept.',
  })
}

/** `binDir` is the folder that PostgreSQL's programs are taken from; `program` and `args` start rclone. */
const PROGRAM_KEYS = new Set(['passwordCommand', 'binDir', 'program', 'args'])
/** A copy of the machine must not say to the world that all is well with it. */
const TELLING_KEYS = new Set(['notify', 'ping'])

/** The same without what is active, and without what is empty then; undefined: nothing is left. */
function passive(value: unknown, path: readonly string[], leftOut: LeftOut[]): unknown {
  if (Array.isArray(value)) {
    const kept = value
      .map((each, at) => passive(each, [...path, String(at)], leftOut))
      .filter(each => each !== undefined)
    return kept.length === 0 && value.length > 0 ? undefined : kept
  }
  if (!isMapping(value)) return value
  if (Array.isArray(value.command) || typeof value.http === 'string') {
    leftOut.push({ key: path.join('.'), value })
    return undefined
  }
  const kept: Array<readonly [string, unknown]> = []
  for (const [key, each] of Object.entries(value)) {
    if (PROGRAM_KEYS.has(key) || (path.length === 0 && TELLING_KEYS.has(key)))
      leftOut.push({ key: [...path, key].join('.'), value: each })
    else if (key !== 'passwordCommandEnv') kept.push([key, passive(each, [...path, key], leftOut)])
  }
  const left = kept.filter(([, each]) => each !== undefined)
  return left.length === 0 && Object.keys(value).length > 0 ? undefined : Object.fromEntries(left)
}

/** Every repository has a password then, and the one that it came from is where it was found. Gives its name. */
function setOrigin(config: Mapping, named: string | undefined, { url, password }: Origin): string {
  const repositories = isMapping(config.repositories) ? config.repositories : {}
  config.repositories = repositories
  const names = Object.keys(repositories)
  const [only] = names
  // A copy was kept by the name of the repository that it was captured into.
  const found = names.find(each => isMapping(repositories[each]) && repositories[each].url === url) ?? named
  const known = found !== undefined && names.includes(found) ? found : names.length === 1 ? only : undefined
  const name = known ?? (names.includes('main') ? 'recovered' : 'main')
  for (const each of new Set([...names, name])) {
    const settings: Mapping = isMapping(repositories[each]) ? repositories[each] : {}
    repositories[each] = settings
    if (each === name) {
      // `$` begins a variable.
      settings.url = url.replaceAll('${', () => '$${')
      if (password !== undefined) for (const key of PASSWORD_KEYS) delete settings[key]
      Object.assign(settings, password)
    }
    if (PASSWORD_KEYS.every(key => settings[key] === undefined)) {
      settings.passwordFile = each === 'main' ? './.lifeboat/password' : `./.lifeboat/${each}.password`
    }
  }
  return name
}

/** One line each: nothing in it can end the comment. */
function leftOutComment(leftOut: readonly LeftOut[]): string {
  if (leftOut.length === 0) return ''
  const lines = leftOut.map(({ key, value }) => `#   ${commented(key)}: ${commented(JSON.stringify(value))}\n`)
  return `\n# Left out, for it runs programs or sends requests. Read it, then put back what you want:\n${lines.join('')}`
}

const commented = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')

function variablesIn(text: string): string[] {
  const found = [...text.matchAll(/(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g)].map(([, name = '']) => name)
  const named = [...text.matchAll(/^\s*passwordEnv: ([A-Za-z_][A-Za-z0-9_]*)$/gm)].map(([, name = '']) => name)
  const ofSecrets = [...text.matchAll(/^\s*env: ([A-Za-z_][A-Za-z0-9_]*)$/gm)].map(([, name = '']) => name)
  return [...new Set([...found, ...named, ...ofSecrets])]
}

const FILE_KEYS = new Set(['passwordFile', 'envFile', 'mask'])
/** Of `storage:`; `file` holds a secret. */
const STORAGE_FILE_KEYS = new Set(['file', 'caFile', 'identityFile', 'knownHostsFile'])

function* filesIn(value: unknown, path: readonly string[]): Generator<NamedFile> {
  if (!isMapping(value)) return
  for (const [key, each] of Object.entries(value)) {
    const at = [...path, key]
    const isFile = FILE_KEYS.has(key) || (path.includes('storage') && STORAGE_FILE_KEYS.has(key))
    const named = isFile ? [each].flat().filter(file => typeof file === 'string') : []
    for (const file of named) if (!file.includes('${')) yield { key: at.join('.'), path: file }
    yield* filesIn(each, at)
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
