import { AppError } from '../../base/errors.ts'
import type { DoctorResult } from '../../operations/doctor/doctor.ts'
import type { DoctorCheck } from '../../operations/doctor/doctor-check.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { formatTable } from '../printers/text.ts'
import { repoOf } from '../selection.ts'

export const doctor: Command<Printed<'doctor'>> = {
  name: 'doctor',
  summary: 'check this machine for anything that would make a backup or restore fail',
  description: [
    'Checks versions, tools, the configuration, permissions of secrets, clocks (this machine, storage, databases) and free space; that every repository opens, every source can be backed up, and the programs of hooks exist. Of each repository it tries what its storage lets be done, with one tiny object that it removes again. Changes nothing else. Exits with 1 if something is wrong.',
  ],
  options: [
    { flags: '--permissions', summary: 'show also what gives a login of each storage the rights that it needs' },
  ],
  examples: [
    { command: 'lifeboat doctor', explains: 'check everything' },
    { command: 'lifeboat doctor --repo offsite --permissions', explains: 'with the policies for the key of a bucket' },
    { command: 'lifeboat doctor --json', explains: 'the same, for monitoring' },
  ],
  run: async call => {
    const { examine } = await import('../../operations/doctor/examine.ts')
    const { listPrograms } = await import('../../app/kinds.ts')
    const { environment, clock } = call
    const app = await call.openApp({ onFinding: () => {} }).catch(asConfigError)
    const found = app instanceof AppError ? { error: app, named: call.values.text('config') !== undefined } : app
    const programs = await listPrograms(environment)
    const result = await examine(found, { environment, clock, programs, repository: repoOf(call) }, call.caller)
    const documents = call.values.flag('permissions') ? printDocuments(result.permissions) : ''
    return { json: result, text: printChecks(result.checks, call) + documents, exitCode: result.healthy ? 0 : 1 }
  },
}

function asConfigError(error: unknown): AppError {
  if (error instanceof AppError && error.code.startsWith('config-')) return error
  throw error
}

const STYLES = { ok: 'green', info: 'cyan', warning: 'yellow', error: 'red' } as const

function printDocuments(permissions: DoctorResult['permissions']): string {
  if (permissions.length === 0) return '\nNo storage here has documents that give rights.\n'
  return permissions.map(({ repository, title, text }) => `\n${repository}: ${title}\n${text}\n`).join('')
}

function printChecks(checks: readonly DoctorCheck[], call: Call): string {
  const paint = call.terminal.out
  const table = formatTable(
    [
      { title: 'AREA', value: (check: DoctorCheck) => check.area },
      { title: 'NAME', value: check => check.name },
      { title: 'STATUS', value: check => check.status },
      { title: 'FOUND', value: check => check.message.replaceAll('\n', '; ') },
    ],
    checks,
    paint,
  )
  const worse = checks.filter(check => check.status === 'error' || check.status === 'warning')
  const hints = worse.map(check => {
    const hint = check.hint === undefined ? '' : `\n  ${check.hint}`
    return `${paint(STYLES[check.status], `${check.status}:`)} ${check.name}: ${check.message}${hint}\n`
  })
  const verdict = worse.length === 0 ? `${paint('green', 'All is well.')}\n` : ''
  return `${table}\n${hints.join('')}${verdict}`
}
