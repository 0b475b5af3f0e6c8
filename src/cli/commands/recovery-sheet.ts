import { formatTimeWithZone } from '../../base/times.ts'
import type { NeededFile, NeededVariable, NewMachineNeeds, PasswordPlace } from '../../model/new-machine.ts'
import type { StorageCredential } from '../../model/storage-access.ts'
import { BLANK, type RecoverySheet, type SheetSource } from '../../operations/recovery-sheet/recovery-sheet.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { recoverySheetJson } from '../../outputs/recovery-sheet.ts'
import type { Command } from '../command.ts'

export const recoverySheet: Command<Printed<'recovery-sheet'>> = {
  name: 'recovery-sheet',
  summary: 'print one page that says how to restore everything on a new machine',
  description: [
    'Says where the repositories are, which secrets are needed (what they are called and where they are, never what they hold), what to type on a new machine, and what restic alone can do. Print it, fill in who is to be called, and keep it with the secrets, away from this machine.',
    'Told by the configuration: opens no repository and asks no source. The commands take everything from one repository: the first that is not a folder, or the one given with --repo.',
  ],
  examples: [
    { command: 'lifeboat recovery-sheet > sheet.txt', explains: 'to be printed' },
    { command: 'lifeboat recovery-sheet --repo offsite', explains: 'with all commands for this repository' },
    { command: 'lifeboat recovery-sheet --json', explains: 'for a script that keeps it up to date elsewhere' },
  ],
  run: async call => {
    const { makeRecoverySheet } = await import('../../operations/recovery-sheet/recovery-sheet.ts')
    const app = await call.openApp()
    const sheet = await makeRecoverySheet(app, call.values.text('repo'))
    return { json: recoverySheetJson(sheet), text: describe(sheet) }
  },
}

function describe(sheet: RecoverySheet): string {
  const sections: ReadonlyArray<readonly [title: string, lines: readonly string[]]> = [
    ['Where the backups are', describeRepositories(sheet)],
    ['What you need', describeNeeds(sheet)],
    ['On the new machine', describeCommands(sheet)],
    ['Without Lifeboat', describeRestic(sheet)],
    ['Who is to be called', CONTACTS],
  ]
  return (
    `RECOVERY SHEET of ${sheet.host}, ${sheet.file}\n` +
    `Made ${formatTimeWithZone(sheet.madeAt)} by ${sheet.programVersion}. It holds no secret. Print it anew when the configuration changes.\n` +
    sections.map(([title, lines], at) => `\n${at + 1}. ${title}\n\n${lines.map(indented).join('')}`).join('')
  )
}

const indented = (line: string): string => (line === '' ? '\n' : `   ${line}\n`)

/** Whatever begins like this is to be typed as it stands. */
const typed = (command: string): string => `$ ${command}`

const BLANK_LINE = '_'.repeat(40)
const CONTACTS = ['Who decides', 'Who knows the application', 'Who has the secrets', 'The provider', 'Customers'].map(
  who => `${who.padEnd(26)}${BLANK_LINE}`,
)

function describeRepositories({ repositories, from }: RecoverySheet): string[] {
  const lines = repositories.map(({ name, url, isFolder }) => {
    const notes = [...(name === from ? ['all below is for this one'] : []), ...(isFolder ? ['a folder'] : [])]
    return `${name}: ${url}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`
  })
  if (repositories.some(({ isFolder }) => !isFolder)) return lines
  return [
    ...lines,
    'All of them are folders. One on a disk of this machine is lost with it: keep a copy elsewhere, and bring it',
    'to this same path before you begin.',
  ]
}

function describeNeeds({ needs, from, programVersion, repositories }: RecoverySheet): string[] {
  const others = repositories.filter(({ name }) => name !== from)
  return [
    `Node.js 22.18 or newer, and ${programVersion} or newer.`,
    `${needs.passwordVariable}: the password of repository ${from}; today it is ${describePassword(needs.password)}`,
    ...needs.credentials.map(describeCredential),
    ...needs.variables.map(describeVariable),
    ...needs.files.map(file => describeFile(file)),
    ...others.map(
      ({ name, password }) => `For repository ${name} alone: its password; today it is ${describePassword(password)}`,
    ),
  ]
}

/** Left empty, a variable counts as not set, and it is looked for elsewhere. */
function describeCredential({ what, variables, elsewhere }: StorageCredential): string {
  const names = variables.join(' and ')
  if (variables.length === 0) return `The ${what}${elsewhere === undefined ? '' : `: ${elsewhere}`}`
  return `${names}: the ${what}${elsewhere === undefined ? '' : `; or, with these left empty: ${elsewhere}`}`
}

function describePassword(place: PasswordPlace): string {
  if (place.kind === 'file') return `in the file ${place.path}`
  if (place.kind === 'variable') return `in the variable ${place.name}`
  return place.kind === 'command' ? `what the program ${place.program} prints` : 'in clear in the configuration'
}

function describeVariable({ name, keys, inClear, inEnvFile }: NeededVariable): string {
  const origin = inClear ? 'what stands there in clear today' : inEnvFile ? 'in the envFile' : 'of the environment'
  return `${name}: ${origin}; used by ${keys.join(', ')}`
}

/** Without its envFile a configuration can't be read; any other file is needed by what names it. */
function describeFile({ key, path }: NeededFile): string {
  return `The file ${path} (${key})${key === 'envFile' ? ', before you begin' : ''}`
}

function describeCommands({ commands, sources, needs }: RecoverySheet): string[] {
  const blanks = sources.some(({ place }) => place === undefined)
  return [
    'Type these one after the other. After each line with "read", type the value that it names, then Enter.',
    '',
    ...commands.map(typed),
    ...sources.flatMap(source => ['', describeSource(source), typed(source.command)]),
    '',
    ...(blanks ? [`${BLANK.folder} is an empty folder that you choose.`] : []),
    ...describeLeftOut(needs),
    'Then look at the data before anybody uses it. What is not in place can be looked for with: lifeboat doctor',
  ]
}

function describeSource({ name, kind, place, repository }: SheetSource): string {
  const where =
    place === undefined ? '' : place.startsWith('/') ? ` to ${place}` : ' to the server that it is connected to'
  const unsure = repository === undefined ? '; no policy says to which repository it goes' : ''
  return `${name} (${kind})${where}${unsure}:`
}

function describeLeftOut({ leftOut }: NewMachineNeeds): string[] {
  if (leftOut.length === 0) return []
  return [`Read the end of lifeboat.yaml, and put back what you want of: ${leftOut.join(', ')}.`]
}

function describeRestic({ needs, sources, from }: RecoverySheet): string[] {
  const kept = sources.filter(({ repository }) => repository === from)
  if (kept.length === 0) return ['No source goes to this repository.']
  return [
    'restic 0.14 or newer reads these repositories with the same password. Take the newest id of each list that',
    'has no tag "safety", in place of SNAPSHOT. What was captured comes in a folder of the source’s name.',
    '',
    typed(`export RESTIC_PASSWORD="$${needs.passwordVariable}"`),
    ...kept.flatMap(({ name, byRestic }) => [
      '',
      `${name}: ${byRestic.gives}`,
      typed(byRestic.list),
      typed(byRestic.restore),
    ]),
  ]
}
