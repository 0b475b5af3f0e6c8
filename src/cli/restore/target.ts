import { resolve } from 'node:path'
import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import type { Strategy } from '../../operations/restore/journal.ts'
import type { Call } from '../command.ts'
import { ownPlaceOf } from './places.ts'

/** Stands for "of any source" on the command line. */
export const ANY = '-'

export function isPhysical(app: App, name: string): boolean {
  const options = app.config.sources.get(name)?.options as { readonly mode?: unknown } | undefined
  return options?.mode === 'physical'
}

export function isUrl(target: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target)
}

/** Where the words of the command line and the configuration say that it goes. Absolute, or a URL. */
export function targetOf(call: Call, app: App, name: string): string {
  const to = call.values.text('to')
  // An empty one is a variable that was not set, and must not mean the place of the source.
  if (to === '') throw new AppError('usage', '--to is empty', { hint: 'Say where to restore to.' })
  if (to !== undefined && call.values.text('target') !== undefined) {
    throw new AppError('usage', '--to and --target both say where to', { hint: 'Give one of them.' })
  }
  if (to !== undefined) return isUrl(to) ? to : resolve(to)
  const own = ownPlaceOf(app, name)
  if (own !== undefined) return own
  throw new AppError('usage', `where should ${name === ANY ? 'the snapshot' : name} be restored to?`, {
    hint: 'Say it with --to PATH.',
  })
}

/** How the target is changed: in one step, unless only a part comes back or the person wants it rewritten in place. */
export function strategyOf(call: Call, kind: string, target: string): Exclude<Strategy, 'merge'> {
  const { values } = call
  if (values.flag('schemaOnly') && values.flag('dataOnly')) {
    throw new AppError('usage', '--schema-only and --data-only exclude each other', { hint: 'Leave both out for all.' })
  }
  const rowsInto = values.flag('dataOnly') && !target.toLowerCase().endsWith('.sql')
  if (rowsInto || values.list('table').length + values.list('schema').length > 0) return 'tables'
  if (values.list('include').length > 0) return 'in-place'
  // Databases of a server are always made beside.
  const canRewrite = kind !== 'postgres' || !isUrl(target)
  return values.flag('force') && !values.flag('yes') && canRewrite ? 'in-place' : 'replace'
}
