import { lstat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { SecretReference } from '../base/adapter-context.ts'
import { readBelieved, type Trust } from '../base/believed-file.ts'
import { parseEnvFile } from '../base/env-file.ts'
import { AppError, isAppError, messageOf, systemCode } from '../base/errors.ts'
import { isHandedOver } from '../base/ownership.ts'
import { suggest } from '../base/suggest.ts'
import { typedPath } from '../base/typed-path.ts'
import type { Finding } from '../model/finding.ts'
import type { Settings, SourceSettings } from '../model/settings.ts'
import type { STORAGES } from '../storage/registry.ts'
import { type ConfigDocument, type Problem, readDocument } from './document.ts'
import { namesTakenTwice } from './names.ts'
import type { NotifierSettings } from './notify-settings.ts'
import { type Instead, problemsOf } from './problems.ts'
import {
  COMMON_SOURCE_KEYS,
  type CommonSourceSettings,
  configJsonSchema,
  configSchema,
  type RepositorySettings,
  ROOT_KEYS,
  type SourceKind,
} from './schema.ts'

export const CONFIG_NAME = 'lifeboat.yaml'

export interface Config extends Settings {
  /** What is written in it. */
  readonly text: string | undefined
  /** Absolute; may not exist yet. */
  readonly stateDir: string
  readonly repositories: ReadonlyMap<string, RepositorySettings>
  readonly notifiers: ReadonlyMap<string, NotifierSettings>
  readonly ping: { readonly url: SecretReference } | undefined
  /** What is valid but unwise: a password in clear. */
  readonly findings: readonly Finding[]
  /** For the files that it names. */
  readonly trust: Trust
  /** This host's name in snapshots, where the system's is not to be taken. */
  readonly host: string | undefined
  /** Ours, with what `envFile` adds. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Names of the variables that `envFile` gives. */
  readonly fromEnvFile: readonly string[]
}

export interface ConfigOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The kinds of sources there are. */
  readonly kinds: readonly SourceKind[]
  /** The kinds of storages; default: all there are. */
  readonly storages?: typeof STORAGES | undefined
  /** Believe the file, and the files that it names, whoever could have written them. */
  readonly trustsAnybody?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** `lifeboat.yaml` in this folder or the nearest one above; undefined when there is none. */
export async function findConfigFile(folder: string): Promise<string | undefined> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const file = join(at, CONFIG_NAME)
    if (await exists(file)) return file
    if (dirname(at) === at) return undefined
  }
}

/**
 * Reads and checks a configuration. `config-not-found`; `config-untrusted` when others could have written it;
 * `config-invalid` lists every problem with its line.
 */
export async function loadConfig(file: string, options: ConfigOptions): Promise<Config> {
  const absolute = resolve(file)
  const text = await readText(absolute, options)
  const read = await readEnvFiles(text, absolute, options)
  const environment = { ...read, ...options.environment }
  return { ...parseConfig(text, absolute, { ...options, environment }), fromEnvFile: Object.keys(read) }
}

/** The same for text at hand. `file` gives the names in errors and the folder that paths are relative to. */
export function parseConfig(text: string, file: string, options: ConfigOptions): Config {
  const document = readDocument(text, { environment: options.environment, rootKeys: ROOT_KEYS })
  if (document.problems.length > 0) throw invalid(file, document.problems)
  const { kinds, storages } = options
  const parsed = configSchema(kinds, storages).safeParse(document.value ?? {})
  if (!parsed.success) {
    const schema = configJsonSchema(kinds, storages)
    throw invalid(file, problemsOf(parsed.error.issues, document, schema, insteadOf(document.value, kinds)))
  }
  const baseDir = baseDirOf(file)
  const config: Config = {
    file,
    text,
    baseDir,
    stateDir: resolve(baseDir, parsed.data.state ?? '.lifeboat'),
    repositories: new Map(Object.entries(parsed.data.repositories)),
    sources: new Map(Object.entries(parsed.data.sources).map(([name, source]) => [name, sourceSettings(source)])),
    policies: new Map(Object.entries(parsed.data.policies ?? {})),
    maintenance: parsed.data.maintenance,
    notifiers: new Map(Object.entries(parsed.data.notify ?? {})),
    ping: parsed.data.ping,
    findings: passwordFindings(parsed.data.repositories, document, file),
    trust: trustOf(file, options),
    host: parsed.data.host,
    environment: options.environment,
    fromEnvFile: [],
  }
  const { sources, policies } = config
  const wrongNames = [...namesTakenTwice({ sources, policies }, document), ...danglingNames(config, document)]
  if (wrongNames.length > 0) throw invalid(file, wrongNames)
  return config
}

function trustOf(file: string, { trustsAnybody }: ConfigOptions): Trust {
  return { anybody: trustsAnybody === true, config: file }
}

/** Before anything else is read: other values may use these variables. */
async function readEnvFiles(text: string, file: string, options: ConfigOptions): Promise<Record<string, string>> {
  const named = readDocument(text, { environment: options.environment, rootKeys: ROOT_KEYS }).plainAt('envFile')
  const variables: Record<string, string> = {}
  for (const each of [named].flat()) {
    if (typeof each !== 'string') continue
    const path = resolve(baseDirOf(file), typedPath(each, options.environment))
    const believing = { what: 'the envFile', trust: trustOf(file, options), limitBytes: LIMIT_BYTES }
    const { bytes } = await readBelieved(path, { ...believing, signal: options.signal }).catch((error: unknown) => {
      if (isAppError(error)) throw error
      throw new AppError('config-invalid', `cannot read the envFile ${path}: ${messageOf(error)}`, {
        hint: `Make it, or correct envFile in ${file}.`,
        cause: error,
      })
    })
    for (const [name, value] of parseEnvFile(bytes.toString('utf8'))) variables[name] = value
  }
  return variables
}

// What came through a descriptor lies in no folder of its own.
const baseDirOf = (file: string): string => (isHandedOver(file) ? process.cwd() : dirname(file))

const LIMIT_BYTES = 4 * 1024 * 1024

async function readText(file: string, options: ConfigOptions): Promise<string> {
  const believing = { what: 'the configuration', trust: trustOf(file, options), limitBytes: LIMIT_BYTES }
  try {
    return (await readBelieved(file, { ...believing, signal: options.signal })).bytes.toString('utf8')
  } catch (error) {
    if (isAppError(error)) throw error
    if (systemCode(error) === 'ENOENT') {
      throw new AppError('config-not-found', `no configuration at ${file}`, {
        hint: 'Run "lifeboat init" to make one, or name one with --config FILE.',
        context: { file },
        cause: error,
      })
    }
    throw new AppError('config-invalid', `cannot read the configuration ${file}: ${messageOf(error)}`, {
      hint:
        systemCode(error) === 'EACCES'
          ? 'Run as a user that may read it, or let this one read it, such as with "chmod" or "chgrp".'
          : 'Name a file that can be read with --config FILE.',
      context: { file },
      cause: error,
    })
  }
}

/** What the adapter of a source says of a key that it does not have. */
function insteadOf(value: unknown, kinds: readonly SourceKind[]): Instead {
  return (path, key) => {
    if (path.length !== 2 || path[0] !== 'sources') return undefined
    const source = valueAt(valueAt(value, 'sources'), path[1] ?? '')
    const definition = kinds.find(({ kind }) => kind === valueAt(source, 'kind'))
    return definition?.wrongKeys?.[key]?.(valueAt(source, key))
  }
}

function valueAt(data: unknown, key: string | number): unknown {
  return typeof data === 'object' && data !== null ? Reflect.get(data, key) : undefined
}

function sourceSettings(source: unknown): SourceSettings {
  const { kind, ...rest } = source as { readonly kind: string }
  const isCommon = ([key]: [string, unknown]): boolean => COMMON_SOURCE_KEYS.includes(key)
  const entries = Object.entries(rest)
  const options = Object.fromEntries(entries.filter(entry => !isCommon(entry)))
  return { kind, options, ...(Object.fromEntries(entries.filter(isCommon)) as CommonSourceSettings) }
}

function passwordFindings(
  repositories: Readonly<Record<string, RepositorySettings>>,
  document: ConfigDocument,
  file: string,
): Finding[] {
  const inClear = Object.entries(repositories).filter(([, settings]) => settings.password !== undefined)
  return inClear.map(([name]) => ({
    severity: 'warning',
    code: 'password-in-config',
    subject: `repository ${name}`,
    message: `the password stands in clear in ${basename(file)}:${document.placeOf(['repositories', name, 'password'], 'key').line}`,
    hint: 'Move it to a file that only you can read and name that with passwordFile.',
  }))
}

/** Policies that name sources or repositories which are not there. */
function danglingNames(config: Config, document: ConfigDocument): Problem[] {
  const problems: Problem[] = []
  for (const [policyName, policy] of config.policies) {
    for (const list of ['sources', 'repositories'] as const) {
      const known = [...config[list].keys()]
      for (const [index, name] of policy[list].entries()) {
        if (known.includes(name)) continue
        const path = ['policies', policyName, list, index]
        const meant = suggest(name, known)
        problems.push({
          ...document.placeOf(path),
          key: path.join('.'),
          message: `there is no ${list === 'sources' ? 'source' : 'repository'} "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
          found: name,
          allowed: known.join(', '),
        })
      }
    }
  }
  return [...problems, ...keptNowhere(config, document)]
}

/** Rules for repositories that the policy does not use. */
function keptNowhere({ policies }: Config, document: ConfigDocument): Problem[] {
  return [...policies].flatMap(([policyName, { repositories, keepIn = {} }]) =>
    Object.keys(keepIn)
      .filter(name => !repositories.includes(name))
      .map(name => {
        const path = ['policies', policyName, 'keepIn', name]
        return {
          ...document.placeOf(path, 'key'),
          key: path.join('.'),
          message: `policy ${policyName} has no repository "${name}"`,
          found: name,
          allowed: repositories.join(', '),
        }
      }),
  )
}

function invalid(file: string, problems: readonly Problem[]): AppError {
  const lines = problems.map(problem => {
    const allowed = problem.allowed === undefined || problem.allowed === '' ? '' : ` (allowed: ${problem.allowed})`
    return `${basename(file)}:${problem.line}:${problem.column}: ${problem.message}${allowed}`
  })
  return new AppError('config-invalid', lines.join('\n'), {
    hint: `Correct ${file}; "docs/reference/config.md" lists every key.`,
    context: { file, problems },
  })
}

/** A name that is taken counts, whatever it means: a link into nowhere is to be said, not passed over. */
async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch {
    return false
  }
}
