import { resolve } from 'node:path'
import type { App } from '../../app/app.ts'
import { OWN_RESTORE_OPTIONS } from '../../app/kinds.ts'
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
export function restoreWishOf(call: Call, app: App): RestoreWish {
  const { values } = call
  const source = values.required('source')
  const mask = values.text('mask')
  return {
    source: source === ANY ? undefined : source,
    point: namedPoint(call, values.text('snapshot')),
    moment: momentOf(call, app, source),
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
    account: isRead(call) ? 'rows' : 'counts',
    // Nothing is asked of a service for a look.
    waitForArchive: values.flag('wait') && !values.flag('dryRun'),
    own: ownOf(call, false),
  }
}

/** Will anybody read the account before something is changed? */
function isRead({ values, terminal, json }: Call): boolean {
  if (values.flag('dryRun')) return true
  return terminal.interactive && !json && !values.flag('yes') && !values.flag('force')
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
  return { databases, tables, schemas, part }
}

/** What the flags of the kinds ask for; of the moment, or of all else. */
function ownOf({ values }: Call, isMoment: boolean): Readonly<Record<string, unknown>> {
  const given = OWN_RESTORE_OPTIONS.filter(option => option.isMoment === isMoment).map(({ key, value }) => {
    if (value === 'none') return [key, values.flag(key) ? true : undefined] as const
    if (value === 'text') return [key, values.text(key)] as const
    const texts = values.list(key)
    return [key, texts.length === 0 ? undefined : texts] as const
  })
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

/** `usage` for more than one target, or a target that is none. */
function momentOf(call: Call, app: App, source: string): Moment | undefined {
  const told = ownOf(call, true)
  if (source === ANY && Object.keys(told).length > 0) {
    throw new AppError('usage', 'a snapshot of any source has no log to recover from', {
      hint: 'Name the source in place of "-".',
    })
  }
  const at = timeOf(call)
  if (Object.keys(told).length === 0) return at && { target: at }
  const { targets, branch, inclusive } = app.momentPartOf(source, told)
  const [target, another] = [...(at === undefined ? [] : [at]), ...targets]
  if (another !== undefined) {
    const flags = OWN_RESTORE_OPTIONS.filter(({ key, isMoment }) => isMoment && key in told).map(({ flag }) => flag)
    throw new AppError('usage', 'there is more than one moment to recover to', {
      hint: `Give one of ${[...(at === undefined ? [] : ['--at']), ...flags].join(', ')}.`,
    })
  }
  const end = branch === undefined ? undefined : ({ kind: 'end' } as const)
  const meant = target ?? end
  return meant && { target: meant, branch, ...(inclusive === undefined ? {} : { inclusive }) }
}

function timeOf({ values, clock }: Call): RecoveryTarget | undefined {
  const at = values.text('at')
  if (at === undefined) return undefined
  const epochMicros = parseEpochMicros(at, clock.now())
  if (epochMicros !== undefined) return { kind: 'time', epochMicros }
  throw new AppError('usage', `--at cannot be "${at}"`, {
    hint: 'Write a time like "2026-09-04 01:59:30" or "3h ago".',
  })
}
