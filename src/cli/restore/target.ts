import { randomUUID } from 'node:crypto'
import { basename, join, resolve } from 'node:path'
import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import { typedPath } from '../../base/typed-path.ts'
import type { Strategy } from '../../operations/restore/journal.ts'
import type { Call } from '../command.ts'
import { OWN_SERVER, ownPlaceOf } from './places.ts'

/** Stands for "of any source" on the command line. */
export const ANY = '-'

/** Where a recovery point goes. */
export interface Place {
  /** Absolute, or a URL. */
  readonly target: string
  /** `test`: nobody's but the tests': it is replaced without a question. `temporary`: made for this run. */
  readonly purpose: 'own' | 'test' | 'temporary'
}

export function isPhysical(app: App, name: string): boolean {
  const options = app.config.sources.get(name)?.options as { readonly mode?: unknown } | undefined
  return options?.mode === 'physical'
}

export function isUrl(target: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target)
}

/** Where the words of the command line and the configuration say that it goes. */
export async function placeOf(call: Call, app: App, name: string): Promise<Place> {
  const { values } = call
  const to = values.text('to')
  // An empty one is a variable that was not set, and must not mean the place of the source.
  if (to === '') throw new AppError('usage', '--to is empty', { hint: 'Say where to restore to.' })
  if (to !== undefined && values.text('target') !== undefined) {
    throw new AppError('usage', '--to and --target both say where to', { hint: 'Give one of them.' })
  }
  if (to !== undefined) return { target: isUrl(to) ? to : resolve(to), purpose: 'own' }
  const own = ownPlaceOf(app, name)
  if (values.text('target') === 'test') return await testPlaceOf(call, app, name, own)
  if (own !== undefined) return { target: own, purpose: 'own' }
  throw new AppError('usage', `where should ${name === ANY ? 'the snapshot' : name} be restored to?`, {
    hint: 'Say it with --to PATH.',
  })
}

async function testPlaceOf(call: Call, app: App, name: string, own: string | undefined): Promise<Place> {
  const configured = app.config.sources.get(name)?.restore?.test
  if (configured === undefined) return { target: await temporaryPlace(call, app, name, own), purpose: 'temporary' }
  const typed = typedPath(configured, call.environment)
  const target = isUrl(typed) ? typed : resolve(app.config.baseDir, typed)
  return { target, purpose: 'test' }
}

/** A test place is replaced without a question: whatever it is called, it must be nobody's data. */
export async function requireNobodys(app: App, name: string, place: string): Promise<void> {
  for (const source of app.config.sources.keys()) {
    if (!(await app.isOwnPlace(source, place))) continue
    const whose = source === name ? 'the source itself' : `source ${source}`
    throw new AppError('config-invalid', `the test place of ${name} is the place of ${whose}: ${place}`, {
      hint: 'Change "restore: { test: ... }" of the source, or leave it out for a temporary copy.',
    })
  }
}

async function temporaryPlace(call: Call, app: App, name: string, own: string | undefined): Promise<string> {
  const run = randomUUID().slice(0, 8)
  if (own !== undefined && isUrl(own)) return `${OWN_SERVER}${encodeURIComponent(`${name}_test_${run}`)}`
  const folder = call.values.flag('keep') ? join(await app.stateFolder(), 'test-copies') : await app.scratchFolder()
  return join(folder, `${name}-${run}`, own === undefined ? name : basename(own))
}

/** A part that a kind does not have must not come to mean all of it. */
function requireParts({ values }: Call, kind: string): void {
  const parts = kind === 'files' ? ['schema', 'table', 'database'] : kind === 'sqlite' ? ['schema', 'database'] : []
  const wrong = parts.find(part => values.list(part).length > 0)
  if (wrong === undefined) return
  throw new AppError('usage', `--${wrong} does not fit a source of kind ${kind}: it has no ${wrong}s`, {
    hint: kind === 'files' ? 'Name what you want with --include PATH.' : 'Name tables with --table NAME.',
  })
}

/** How the target is changed: in one step, unless only a part comes back or the person wants it rewritten in place. */
export function strategyOf(call: Call, kind: string, target: string): Exclude<Strategy, 'merge'> {
  const { values } = call
  if (values.flag('schemaOnly') && values.flag('dataOnly')) {
    throw new AppError('usage', '--schema-only and --data-only exclude each other', { hint: 'Leave both out for all.' })
  }
  requireParts(call, kind)
  const rowsInto = values.flag('dataOnly') && !target.toLowerCase().endsWith('.sql')
  if (rowsInto || values.list('table').length + values.list('schema').length > 0) return 'tables'
  if (values.list('include').length > 0) return 'in-place'
  // Databases of a server are always made beside; and a file that is written anew is swapped, as without --force.
  const canRewrite = kind === 'sqlite' ? values.flag('delta') : kind !== 'postgres' || !isUrl(target)
  return values.flag('force') && canRewrite ? 'in-place' : 'replace'
}
