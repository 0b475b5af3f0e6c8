import type { ProbeCheck, Probed, ProbeReport } from '../probe/storage-probe.ts'
import type { DoctorCheck } from './doctor-check.ts'

/** What it means that something is missing. */
const MISSING: Readonly<Record<Probed, DoctorCheck['status']>> = {
  list: 'error',
  read: 'error',
  range: 'error',
  write: 'warning',
  conditions: 'warning',
  clock: 'warning',
  // What cannot be replaced or deleted is safe from others too.
  overwrite: 'info',
  delete: 'info',
  space: 'info',
  keys: 'info',
}
const SHOW_DOCUMENTS = 'What a login needs, in the service’s own words: lifeboat doctor --permissions'

/** What a storage lets be done, as a doctor says it: in one line what is well, and each of the rest alone. */
export function checksOf(name: string, report: ProbeReport): DoctorCheck[] {
  const common = { area: 'storage', name } as const
  const well = report.checks.filter(({ status }) => status === 'ok').map(check => check.name)
  const rest = report.checks.filter(({ status, name: what }) => status === 'missing' || isWorthSaying(what, status))
  return [
    ...(well.length === 0 ? [] : [{ ...common, status: 'ok' as const, message: `tried: ${well.join(', ')}` }]),
    ...rest.map((check): DoctorCheck => ({ ...common, ...said(check, report) })),
  ]
}

/** What no storage of its kind tells is no news. */
function isWorthSaying(what: Probed, status: ProbeCheck['status']): boolean {
  return status === 'unknown' && what !== 'space' && what !== 'clock'
}

function said(
  { name, status, detail, fix }: ProbeCheck,
  { canRestore }: ProbeReport,
): Omit<DoctorCheck, 'area' | 'name'> {
  const severity = status === 'missing' ? MISSING[name] : name === 'list' ? 'error' : 'info'
  const isRight = status === 'missing' && ['list', 'read', 'write', 'delete'].includes(name)
  const hints = [...(fix === undefined ? [] : [fix]), ...(isRight ? [SHOW_DOCUMENTS] : [])]
  const restores = canRestore === true ? '; restores are possible' : ''
  const message = name === 'write' && status === 'missing' ? `no backups can be made${restores}: ${detail}` : detail
  return { status: severity, message, ...(hints.length === 0 ? {} : { hint: hints.join(' ') }) }
}
