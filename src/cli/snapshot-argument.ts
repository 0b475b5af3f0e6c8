import type { App } from '../app/app.ts'
import { AppError } from '../base/errors.ts'
import type { Choice, ChosenSnapshot } from '../operations/snapshots/choose-snapshot.ts'
import type { ArgumentSpec, Call, OptionSpec } from './command.ts'
import { chosenSnapshot, pointOrMoment, typedWish } from './selection.ts'

/** The first word of commands that look into a snapshot. */
export const SNAPSHOT_ARGUMENT: ArgumentSpec = {
  name: 'snapshot',
  summary: 'an id, latest, a time like "3h ago", or a source (its newest)',
  required: true,
  complete: 'sources',
}

/** The same where `--from` or `--at` may name the point. */
export const POINT_ARGUMENT: ArgumentSpec = {
  ...SNAPSHOT_ARGUMENT,
  summary: `${SNAPSHOT_ARGUMENT.summary}; may be left out with --from REPOSITORY:POINT or --at`,
  required: false,
}

export const SOURCE_OPTION: OptionSpec = {
  flags: '--source <name>',
  summary: 'look for latest and times among the snapshots of this source',
  complete: 'sources',
}

interface PointAndPath {
  readonly chosen: ChosenSnapshot
  readonly path: string | undefined
}

/**
 * The snapshot that the arguments `snapshot` and `path` and the options `--source`, `--from` and `--at` mean. Where an
 * option names the point, one argument alone is a source or the path.
 */
export async function typedPointAndPath(call: Call): Promise<PointAndPath> {
  const { values } = call
  const [first, second] = [values.text('snapshot'), values.text('path')]
  const told = pointOrMoment(call, undefined)
  if (first === undefined && told === undefined) throw missingPoint()
  const app = await call.openApp()
  const isSource = first !== undefined && app.config.sources.has(first)
  const source = isSource ? first : values.text('source')
  const isPath = told !== undefined && !isSource && second === undefined
  const point = isSource || isPath ? undefined : first
  const wish = pointOrMoment(call, point) ?? { kind: 'latest' }
  return { chosen: await chosenSnapshot(call, app, source, wish), path: isPath ? first : second }
}

function missingPoint(): AppError {
  return new AppError('usage', "missing required argument 'snapshot'", {
    hint: 'Say which: an id, latest, a source, or --from REPOSITORY:POINT.',
  })
}

export async function snapshotOf(call: Call, app: App, text: string): Promise<ChosenSnapshot> {
  const { source, wish } = typedChoice(call, app.config.sources, text)
  return chosenSnapshot(call, app, source, wish)
}

/** The name of a source means its newest. */
export function typedChoice(
  call: Call,
  sources: ReadonlyMap<string, unknown>,
  text: string,
): Pick<Choice, 'source' | 'wish'> {
  if (sources.has(text)) return { source: text, wish: { kind: 'latest' } }
  return { source: call.values.text('source'), wish: typedWish(call, text) }
}
