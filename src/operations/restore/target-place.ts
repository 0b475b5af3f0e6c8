import { basename, join, resolve } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { ownerName } from '../../base/process-life.ts'
import { typedPath } from '../../base/typed-path.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { URL_FORM } from './reserved.ts'
import type { RestoreWish } from './wish.ts'

/** Where a recovery point goes. */
export interface TargetPlace {
  /** Absolute, or a URL. */
  readonly target: string
  /** `test`: nobody's but the tests': it is replaced without a question. `temporary`: made for this run. */
  readonly purpose: 'own' | 'test' | 'temporary'
  /** A folder that is made for the copy and removed with it. */
  readonly scratch?: string | undefined
}

/** Where a wish and the configuration say that it goes. `run`: the id of what is asked for. Makes nothing. */
export async function placeOf(workspace: Workspace, wish: RestoreWish, run: string): Promise<TargetPlace> {
  const { source, to } = wish
  // An empty one is a variable that was not set, and must not mean the place of the source.
  if (to === '') throw new AppError('usage', '--to is empty', { hint: 'Say where to restore to.' })
  if (to !== undefined) return { target: to, purpose: 'own' }
  const own = source === undefined ? undefined : workspace.ownPlace(source)
  if (wish.target === 'test') return await testPlaceOf(workspace, wish, own, run)
  if (own !== undefined) return { target: own, purpose: 'own' }
  throw new AppError('usage', `where should ${source ?? 'the snapshot'} be restored to?`, {
    hint: 'Say it with --to PATH.',
  })
}

async function testPlaceOf(
  workspace: Workspace,
  wish: RestoreWish,
  own: string | undefined,
  run: string,
): Promise<TargetPlace> {
  const { settings } = workspace
  const name = wish.source ?? 'snapshot'
  const configured = settings.sources.get(name)?.restore?.test
  if (configured !== undefined) {
    const typed = typedPath(configured, workspace.commandPlace.environment)
    const target = URL_FORM.test(typed) ? typed : resolve(settings.baseDir, typed)
    return { target, purpose: 'test' }
  }
  const id = run.slice(0, 8)
  if (own !== undefined && URL_FORM.test(own)) {
    return { target: own + encodeURIComponent(`${name}_test_${id}`), purpose: 'temporary' }
  }
  const file = own === undefined ? name : basename(own)
  if (wish.keep) {
    return { target: join(await workspace.stateFolder(), 'test-copies', `${name}-${id}`, file), purpose: 'temporary' }
  }
  // Named as ours, so that it goes with the next run if this one is killed.
  const scratch = join(await workspace.stateFolder(), 'tmp', `${ownerName()}-${id}`)
  return { target: join(scratch, name, file), purpose: 'temporary', scratch }
}

/** A test place is replaced without a question: whatever it is called, it must be nobody's data. */
export async function requireTestPlace(workspace: Workspace, name: string, place: string): Promise<void> {
  for (const source of workspace.settings.sources.keys()) {
    if (!(await workspace.isOwnPlace(source, place))) continue
    const whose = source === name ? 'the source itself' : `source ${source}`
    throw new AppError('config-invalid', `the test place of ${name} is the place of ${whose}: ${place}`, {
      hint: 'Change "restore: { test: ... }" of the source, or leave it out for a temporary copy.',
    })
  }
}
