import { readFile } from 'node:fs/promises'
import { AppError, systemCode } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import type { IssuedCredentials } from './issued-credentials.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Settings = ReadonlyMap<string, string>

export interface Profile {
  readonly name: string
  readonly settings: Settings
}

/**
 * What `~/.aws/config` and `~/.aws/credentials`, which wins, say of a profile: the one of that name, else of `AWS_PROFILE`, else
 * `default`. Undefined where neither knows it. `config-invalid` where one that was named is not there.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
export async function findProfile(named: string | undefined, environment: Environment): Promise<Profile | undefined> {
  const asked = named ?? (environment['AWS_PROFILE'] || undefined)
  const name = asked ?? 'default'
  const home = environment['HOME'] ?? ''
  const files = [
    [environment['AWS_CONFIG_FILE'] || `${home}/.aws/config`, name === 'default' ? [name] : [`profile ${name}`]],
    [environment['AWS_SHARED_CREDENTIALS_FILE'] || `${home}/.aws/credentials`, [name]],
  ] as const
  const settings = new Map<string, string>()
  let isThere = false
  for (const [file, sections] of files) {
    const all = parseProfiles(await textOf(file))
    for (const section of sections) {
      const found = all.get(section)
      if (!found) continue
      isThere = true
      for (const [key, value] of found) settings.set(key, value)
    }
  }
  if (isThere) return { name, settings }
  if (asked === undefined) return undefined
  throw new AppError('config-invalid', `there is no profile ${asked} in ${files.map(([file]) => file).join(' or ')}`, {
    hint: 'Set AWS_PROFILE, or "profile" of the storage, to one that is there.',
  })
}

/** Undefined where the profile has no keys of its own; `unsupported` where it gets them in a way that we have not. */
export function keysOfProfile({ name, settings }: Profile): IssuedCredentials | undefined {
  const accessKeyId = settings.get('aws_access_key_id')
  const secret = settings.get('aws_secret_access_key')
  if (accessKeyId && secret) {
    const token = settings.get('aws_session_token')
    return {
      accessKeyId,
      secretAccessKey: new Secret(secret),
      sessionToken: token ? new Secret(token) : undefined,
      expiresAt: undefined,
    }
  }
  const other = ['credential_process', 'sso_session', 'sso_start_url', 'source_profile', 'credential_source'].find(
    key => settings.has(key),
  )
  if (other === undefined) return undefined
  throw new AppError(
    'unsupported',
    `the profile ${name} gets its credentials by ${other}, which Lifeboat does not do`,
    {
      hint: `Let the AWS CLI get them: eval "$(aws configure export-credentials --profile ${name} --format env)"`,
    },
  )
}

/** Sections by their names, white space in them made one. Nested settings, which are indented, are passed over. */
export function parseProfiles(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>()
  let section: Map<string, string> | undefined
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue
    const [, name] = /^\s*\[([^\]]*)\]/.exec(line) ?? []
    if (name !== undefined) {
      const key = name.trim().replace(/\s+/g, ' ')
      section = sections.get(key) ?? new Map()
      sections.set(key, section)
      continue
    }
    const [, key, value = ''] = /^([A-Za-z0-9_.-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (key !== undefined) section?.set(key.toLowerCase(), value.replace(/\s[#;].*$/, '').trim())
  }
  return sections
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return ''
    throw new AppError('config-invalid', `cannot read ${file}: ${systemCode(error) ?? 'it failed'}`, { cause: error })
  }
}
