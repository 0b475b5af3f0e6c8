import { isAbsolute, resolve } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { parseEpochMicros } from '../../base/times.ts'
import type { RecoveryTarget } from '../../model/recovery-target.ts'
import { URL_FORM } from '../../operations/restore/reserved.ts'
import type { Moment, RestoreWish } from '../../operations/restore/wish.ts'
import type { DatabaseSelection } from '../../sources/source.ts'
import type { Call } from '../command.ts'
import { namedPoint, repoOf } from '../selection.ts'

/** Stands for "of any source" on the command line. */
export const ANY = '-'

/** What the command line of a restore asks for. */
export function restoreWishOf(call: Call): RestoreWish {
  const { values } = call
  const source = values.required('source')
  const mask = values.text('mask')
  return {
    source: source === ANY ? undefined : source,
    point: namedPoint(call, values.text('snapshot')),
    moment: momentOf(call),
    repository: repoOf(call),
    host: values.text('host'),
    to: targetOf(call),
    target: values.text('target') === 'test' ? 'test' : 'own',
    keep: values.flag('keep'),
    strategy: values.text('strategy') === 'merge' ? 'merge' : 'replace',
    inPlace: values.flag('force'),
    delta: values.flag('delta'),
    delete: values.flag('delete'),
    checks: values.flag('checks'),
    verify: values.flag('verify'),
    include: values.list('include'),
    selection: selectionOf(call),
    mask: mask === undefined ? undefined : resolve(mask),
    tablespaces: tablespacesOf(call),
    start: values.flag('start'),
  }
}

function targetOf({ values }: Call): string | undefined {
  const to = values.text('to')
  if (to !== undefined && values.text('target') !== undefined) {
    throw new AppError('usage', '--to and --target both say where to', { hint: 'Give one of them.' })
  }
  return to === undefined || to === '' || URL_FORM.test(to) ? to : resolve(to)
}

/** Which part of a recovery point is wanted. */
function selectionOf({ values }: Call): DatabaseSelection {
  const [databases, tables, schemas] = [values.list('database'), values.list('table'), values.list('schema')]
  if (values.flag('schemaOnly') && values.flag('dataOnly')) {
    throw new AppError('usage', '--schema-only and --data-only exclude each other', { hint: 'Leave both out for all.' })
  }
  const part = values.flag('schemaOnly') ? 'schema' : values.flag('dataOnly') ? 'data' : undefined
  return { databases, tables, schemas, part, roles: values.flag('roles') }
}

function momentOf(call: Call): Moment | undefined {
  const target = recoveryTargetOf(call)
  if (target === undefined) return undefined
  return { target, branch: timelineOf(call), ...(call.values.flag('exclusive') ? { inclusive: false } : {}) }
}

/** What the flags ask for; undefined when none is given. `usage` for more than one target, or a target that is none. */
function recoveryTargetOf({ values, clock }: Call): RecoveryTarget | undefined {
  const targets: RecoveryTarget[] = []
  const at = values.text('at')
  if (at !== undefined) {
    targets.push({ kind: 'time', epochMicros: parseEpochMicros(at, clock.now()) ?? invalid('--at', at, TIMES) })
  }
  const lsn = values.text('lsn')
  if (lsn !== undefined) targets.push({ kind: 'position', position: lsn })
  const xid = values.text('xid')
  if (xid !== undefined) {
    if (!/^\d{1,19}$/.test(xid)) invalid('--xid', xid, 'Give the number that pg_current_xact_id() returned.')
    targets.push({ kind: 'transaction', transaction: xid })
  }
  const name = values.text('name')
  if (name !== undefined) targets.push({ kind: 'name', name })
  if (values.flag('immediate')) targets.push({ kind: 'immediate' })
  if (targets.length > 1) {
    throw new AppError('usage', 'there is more than one moment to recover to', {
      hint: 'Give one of --at, --lsn, --xid, --name and --immediate.',
    })
  }
  return targets[0] ?? (values.text('timeline') === undefined ? undefined : { kind: 'end' })
}

const TIMES = 'Write a time like "2026-09-04 01:59:30" or "3h ago".'

function invalid(flag: string, text: string, hint: string): never {
  throw new AppError('usage', `${flag} cannot be "${text}"`, { hint })
}

function timelineOf({ values }: Call): string | undefined {
  const timeline = values.text('timeline')
  if (timeline === undefined || /^(latest|current|[1-9]\d*)$/.test(timeline)) return timeline
  return invalid('--timeline', timeline, 'Give a number, current or latest.')
}

function tablespacesOf({ values }: Call): Readonly<Record<string, string>> {
  const places = new Map<string, string>()
  for (const text of values.list('tablespace')) {
    const at = text.lastIndexOf('=')
    const [from, to] = [text.slice(0, at), text.slice(at + 1)]
    if (at <= 0 || to === '') invalid('--tablespace', text, 'Write OID=/new/path or /old/path=/new/path.')
    places.set(from, isAbsolute(to) ? to : resolve(to))
  }
  return Object.fromEntries(places)
}
