import type { App } from '../app.ts'
import type { Choice, ChosenSnapshot } from '../operations/snapshots/choose-snapshot.ts'
import type { ArgumentSpec, Call, OptionSpec } from './command.ts'
import { chosenSnapshot, typedWish } from './selection.ts'

/** The first word of commands that look into a snapshot. */
export const SNAPSHOT_ARGUMENT: ArgumentSpec = {
  name: 'snapshot',
  summary: 'an id, latest, a time like "3h ago", or a source (its newest)',
  required: true,
  complete: 'sources',
}

export const SOURCE_OPTION: OptionSpec = {
  flags: '--source <name>',
  summary: 'look for latest and times among the snapshots of this source',
  complete: 'sources',
}

/** The snapshot that the argument `snapshot` and the option `--source` mean. */
export async function typedSnapshot(call: Call): Promise<ChosenSnapshot> {
  return snapshotOf(call, await call.openApp(), call.values.required('snapshot'))
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
