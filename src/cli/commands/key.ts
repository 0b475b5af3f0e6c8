import { AppError } from '../../base/errors.ts'
import type { Secret } from '../../base/secret.ts'
import { formatTime, formatTimeWithZone } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { PasswordKept } from '../../operations/key/keys.ts'
import { keyJson } from '../../outputs/keys.ts'
import type { Printed } from '../../outputs/outputs.ts'
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

export const keyList: Command<Printed<'key list'>> = {
  name: 'key list',
  summary: 'list the passwords of a repository',
  description: ['Each password has one key. "*" marks the one in use.'],
  examples: [{ command: 'lifeboat key list --repo main', explains: 'the keys of one repository' }],
  run: async call => {
    const { listKeys } = await import('../../operations/key/keys.ts')
    const { repository, keys } = await listKeys(await call.openApp(), repoOf(call))
    return { json: { repository, keys: keys.map(keyJson) }, text: printKeys(keys, call) }
  },
}

export const keyAdd: Command<Printed<'key add'>> = {
  name: 'key add',
  summary: 'add a password to a repository',
  description: [PASSWORD_NOTE],
  options: NEW_PASSWORD,
  examples: [
    { command: 'lifeboat key add', explains: 'asks for the new password' },
    { command: 'lifeboat key add --new-password-file ./team.password', explains: 'takes it from a file' },
  ],
  run: async call => {
    const { addKey } = await import('../../operations/key/keys.ts')
    const app = await call.openApp()
    const wish = { named: repoOf(call), password: await newPassword(call) }
    const { repository, key } = await addKey(app, wish, call.caller)
    return {
      json: { repository, key: keyJson(key) },
      text: `Added key ${shortId(key)} to ${repository}; its password opens the repository from now on.\n`,
    }
  },
}

export const keyRemove: Command<Printed<'key remove'>> = {
  name: 'key remove',
  summary: 'revoke a password',
  description: [
    'Refuses to remove the key in use and the last key. Where objects are locked, says until when the old version of its file stays.',
  ],
  arguments: [{ name: 'id', summary: 'id of the key, as "lifeboat key list" shows it', required: true }],
  examples: [{ command: 'lifeboat key remove 3f2a0c11', explains: 'its password no longer opens the repository' }],
  run: async call => {
    const operation = await import('../../operations/key/keys.ts')
    const wish = { named: repoOf(call), id: call.values.required('id') }
    const done = await operation.removeKey(await call.openApp(), wish, call.caller)
    return {
      json: { ...done, keptUntil: done.keptUntil ?? null },
      text: `Removed key ${done.removed} from ${done.repository}.\n${describeKeptKey(done.keptUntil)}`,
    }
  },
}

export const keyPasswd: Command<Printed<'key passwd'>> = {
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
    const { changePassword } = await import('../../operations/key/keys.ts')
    const app = await call.openApp()
    const wish = { named: repoOf(call), password: await newPassword(call) }
    const { repository, key, kept, keptUntil } = await changePassword(app, wish, call.caller)
    return {
      json: {
        repository,
        key: keyJson(key),
        passwordFile: kept.how === 'replaced' ? kept.file : null,
        keptUntil: keptUntil ?? null,
      },
      text: `Changed the password of ${repository}.\n${describeKept(kept, repository)}${describeKeptKey(keptUntil)}`,
    }
  },
}

async function newPassword(call: Call): Promise<Secret> {
  const { loadNewPassword } = await import('../../app/app.ts')
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

/** The master keys stay the same, so what its owner could read once can be read by it for ever. */
function describeKeptKey(until: Date | undefined): string {
  if (until === undefined) return ''
  return (
    `The file of the old key stays in the bucket as a locked old version until ${formatTimeWithZone(until)}: who can read old versions and knows its password can read this repository, and what is stored in it later too.\n` +
    'If the password is known to others, start a new repository and copy what is to stay: lifeboat copy.\n'
  )
}

function describeKept(kept: PasswordKept, repository: string): string {
  if (kept.how === 'typed') return 'Type it from now on where the old one was asked for.\n'
  if (kept.how === 'elsewhere') {
    return `Now change it in ${kept.where} too, or the next backup cannot open the repository.\n`
  }
  return kept.how === 'replaced'
    ? `The new password is in ${kept.file}. Keep a copy of it somewhere else.\n`
    : `${kept.file} serves other repositories too and was left as it is: give ${repository} a file of its own.\n`
}

const shortId = (key: KeyInfo): string => key.id.slice(0, SHORT_ID_DIGITS)

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
