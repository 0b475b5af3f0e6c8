import { formatTime } from '../../base/times.ts'
import { describePin } from '../../model/pin.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Choice, ChosenSnapshot } from '../../operations/snapshots/choose-snapshot.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { pointJson } from '../../outputs/point.ts'
import type { ArgumentSpec, Call, Command } from '../command.ts'
import { repoOf } from '../selection.ts'
import { SNAPSHOT_ARGUMENT, SOURCE_OPTION, typedChoice } from '../snapshot-argument.ts'
import { futureOption } from '../time-options.ts'

const POINT: ArgumentSpec = { ...SNAPSHOT_ARGUMENT, name: 'point' }

export const pin: Command<Printed<'pin'>> = {
  name: 'pin',
  summary: 'keep a recovery point whatever the rules say',
  description: [
    'The pin is kept in the repository: "lifeboat forget" on every machine sees it, "lifeboat snapshots" shows it. Pinned again, the new end and reason take the place of the old ones. restic knows nothing of pins: its own "forget" drops what its rules drop.',
    'A copy of the recovery point in another repository is pinned on its own, with --repo. A pinned backup of a PostgreSQL cluster keeps the log from its beginning on, as any backup does.',
  ],
  arguments: [POINT],
  options: [
    SOURCE_OPTION,
    { flags: '--until <time>', summary: 'only until then, like 90d or "2027-01-31" (default: until unpinned)' },
    { flags: '--reason <text>', summary: 'why, in one line' },
  ],
  examples: [
    { command: 'lifeboat pin 3f2a11c0 --reason "before the move"', explains: 'one snapshot, until it is unpinned' },
    { command: 'lifeboat pin app --until 90d', explains: 'the newest of a source, for 90 days' },
  ],
  run: async call => {
    const { pinSnapshot } = await import('../../operations/pin/pin-snapshot.ts')
    const app = await call.openApp()
    const wish = {
      ...pointOf(call, app.settings.sources),
      until: futureOption(call, 'until'),
      reason: call.values.text('reason'),
      lockWaitMs: call.values.durationMs('lockWait', '--lock-wait'),
    }
    const pinned = await pinSnapshot(app, wish, call.caller)
    const { until = null, reason = null } = pinned.pin
    return {
      json: { ...pointJson(pinned), pin: { until, reason } },
      text: `${nameOf(pinned)} is ${describePin(pinned.pin)}\n`,
    }
  },
}

export const unpin: Command<Printed<'unpin'>> = {
  name: 'unpin',
  summary: 'let the rules decide about a recovery point again',
  arguments: [POINT],
  options: [SOURCE_OPTION],
  examples: [{ command: 'lifeboat unpin 3f2a11c0', explains: 'the next "lifeboat forget" may drop it' }],
  run: async call => {
    const { unpinSnapshot } = await import('../../operations/pin/pin-snapshot.ts')
    const app = await call.openApp()
    const unpinned = await unpinSnapshot(app, pointOf(call, app.settings.sources), call.caller)
    const { removed } = unpinned
    return {
      json: { ...pointJson(unpinned), removed },
      text: `${nameOf(unpinned)} ${removed ? 'is no longer pinned' : 'was not pinned'}\n`,
    }
  },
}

function pointOf(call: Call, sources: ReadonlyMap<string, unknown>): Choice {
  const { source, wish } = typedChoice(call, sources, call.values.required('point'))
  return { source, wish, repository: repoOf(call), host: call.values.text('host') }
}

function nameOf({ name, snapshot }: ChosenSnapshot): string {
  return `Snapshot ${snapshot.id.slice(0, SHORT_ID_DIGITS)} of ${formatTime(snapshot.time)} in ${name}`
}
