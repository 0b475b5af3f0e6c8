import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import type { Secret } from '../../base/secret.ts'
import { formatTime } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import { singleRepositoryName } from '../../operations/workspace/names.ts'
import type { KeyInfo } from '../../repository/index.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { formatTable } from '../printers/text.ts'
import { repoOf } from '../selection.ts'

const NEW_PASSWORD: readonly OptionSpec[] = [
  { flags: '--new-password-file <file>', summary: 'file that holds the new password', complete: 'files' },
  { flags: '--new-password-env <name>', summary: 'environment variable that holds the new password' },
]

const PASSWORD_NOTE =
  'Reads the new password from a file or an environment variable, or asks for it; never from the command line, where others could see it.'

export const keyList: Command = {
  name: 'key list',
  summary: 'list the passwords of a repository',
  description: ['Each password has one key. "*" marks the one in use.'],
  examples: [{ command: 'lifeboat key list --repo main', explains: 'the keys of one repository' }],
  run: async call => {
    const app = await call.openApp()
    const name = singleRepositoryName(app, repoOf(call))
    const keys = await (await app.repository(name)).listKeys()
    return { json: { repository: name, keys: keys.map(keyToJson) }, text: printKeys(keys, call) }
  },
}

export const keyAdd: Command = {
  name: 'key add',
  summary: 'add a password to a repository',
  description: [PASSWORD_NOTE],
  options: NEW_PASSWORD,
  examples: [
    { command: 'lifeboat key add', explains: 'asks for the new password' },
    { command: 'lifeboat key add --new-password-file ./team.password', explains: 'takes it from a file' },
  ],
  run: async call => {
    const app = await call.openApp()
    const name = singleRepositoryName(app, repoOf(call))
    const repository = await app.repository(name)
    const key = await repository.addKey(await newPassword(call), app.host)
    return {
      json: { repository: name, key: keyToJson(key) },
      text: `Added key ${shortId(key)} to ${name}; its password opens the repository from now on.\n`,
    }
  },
}

export const keyRemove: Command = {
  name: 'key remove',
  summary: 'revoke a password',
  description: ['Refuses to remove the key in use and the last key.'],
  arguments: [{ name: 'id', summary: 'id of the key, as "lifeboat key list" shows it', required: true }],
  examples: [{ command: 'lifeboat key remove 3f2a0c11', explains: 'its password no longer opens the repository' }],
  run: async call => {
    const app = await call.openApp()
    const name = singleRepositoryName(app, repoOf(call))
    const id = call.values.required('id')
    await (await app.repository(name)).removeKey(id)
    return { json: { repository: name, removed: id }, text: `Removed key ${id} from ${name}.\n` }
  },
}

export const keyPasswd: Command = {
  name: 'key passwd',
  summary: 'change the password of a repository',
  description: [
    `${PASSWORD_NOTE} The old password no longer opens the repository. If the password is in a file that only this repository uses, updates that file too.`,
  ],
  options: NEW_PASSWORD,
  examples: [
    { command: 'lifeboat key passwd', explains: 'asks for the new password' },
    { command: 'lifeboat key passwd --new-password-env NEW_PASSWORD', explains: 'takes it from the environment' },
  ],
  run: async call => {
    const app = await call.openApp()
    const name = singleRepositoryName(app, repoOf(call))
    const repository = await app.repository(name)
    const password = await newPassword(call)
    const key = await repository.changePassword(password)
    const { file, text } = await keepPassword(app, name, password)
    return {
      json: { repository: name, key: keyToJson(key), passwordFile: file ?? null },
      text: `Changed the password of ${name}.\n${text}`,
    }
  },
}

async function newPassword(call: Call): Promise<Secret> {
  const { loadNewPassword } = await import('../../app.ts')
  const passwordFile = call.values.text('newPasswordFile')
  const passwordEnv = call.values.text('newPasswordEnv')
  if (passwordFile !== undefined && passwordEnv !== undefined) {
    throw new AppError('usage', 'two new passwords were given', { hint: 'Give a file or a variable, not both.' })
  }
  if (passwordFile !== undefined || passwordEnv !== undefined) {
    return loadNewPassword({ passwordFile, passwordEnv }, call.environment)
  }
  if (call.terminal.interactive) {
    const { Prompts } = await import('../prompts.ts')
    const prompts = new Prompts(call.terminal, call.signal)
    try {
      return await prompts.newPassword()
    } finally {
      prompts.close()
    }
  }
  throw new AppError('usage', 'no new password was given', {
    hint: 'Use --new-password-file or --new-password-env, or run the command in a terminal.',
  })
}

/** Lets the configuration go on working: its password file gets the new password, unless others use it too. */
async function keepPassword(app: App, name: string, password: Secret): Promise<{ file?: string; text: string }> {
  const { passwordFile, ...settings } = app.repositorySettings(name)
  if (passwordFile === undefined) {
    const where = settings.passwordEnv ?? settings.passwordCommand?.[0] ?? app.config.file
    if (where === undefined) return { text: 'Type it from now on where the old one was asked for.\n' }
    return { text: `Now change it in ${where} too, or the next backup cannot open the repository.\n` }
  }
  const file = await app.replacePasswordFile(name, password)
  if (file !== undefined) return { file, text: `The new password is in ${file}. Keep a copy of it somewhere else.\n` }
  return {
    text: `${passwordFile} serves other repositories too and was left as it is: give ${name} a file of its own.\n`,
  }
}

const shortId = (key: KeyInfo): string => key.id.slice(0, SHORT_ID_DIGITS)

function keyToJson(key: KeyInfo): unknown {
  const { id, hostname, username, created, current } = key
  return { id, shortId: shortId(key), hostname, username, created, current }
}

function printKeys(keys: readonly KeyInfo[], call: Call): string {
  return formatTable(
    [
      { title: 'ID', value: (key: KeyInfo) => `${key.current ? '*' : ' '}${shortId(key)}` },
      { title: 'USER', value: key => `${key.username}@${key.hostname}` },
      { title: 'CREATED', value: key => formatTime(key.created) },
    ],
    keys,
    call.terminal.out,
  )
}
