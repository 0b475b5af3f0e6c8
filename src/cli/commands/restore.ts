import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import type { RecoveryTarget } from '../../model/recovery-target.ts'
import type { SnapshotWish } from '../../operations/snapshots/find-snapshot.ts'
import type { Call, Command } from '../command.ts'
import { chooseBackup, recoveryRequestOf, recoveryTargetOf } from '../recovery.ts'
import { checkReportOption } from '../reports.ts'
import { RESTORE_OPTIONS } from '../restore/options.ts'
import { ANY, isPhysical, placeOf } from '../restore/target.ts'
import { type ChosenSnapshot, chooseSnapshot, parseSnapshotWish } from '../selection.ts'

export const restore: Command = {
  name: 'restore',
  summary: 'bring a recovery point back',
  description: [
    'Writes beside the target, checks what was written, then puts it in place in one step. Every byte is checked against its hash. A restore that was interrupted is taken up again by the same command.',
    'Where something is there already, it asks first, on a terminal, and else wants --yes. What is there is made safe before it is changed; "lifeboat undo" puts it back. Whatever fails on the way is taken back at once. A source that is not in the configuration, such as another machine’s, can be restored with --to.',
    'Ends with 3 when all that the recovery point holds came back, but it lacks something of its source. What was not captured is left as it is at the target, and named.',
  ],
  arguments: [
    {
      name: 'source',
      summary: `name of the source; "${ANY}" for a snapshot of another program`,
      required: true,
      complete: 'sources',
    },
    { name: 'snapshot', summary: 'latest (default), a time like "3h ago", or an id', complete: ['latest'] },
  ],
  options: RESTORE_OPTIONS,
  examples: [
    { command: 'lifeboat restore app latest --to ./restored.db', explains: 'the newest, beside the original' },
    { command: 'lifeboat restore app --dry-run', explains: 'what replacing the database would change' },
    { command: 'lifeboat restore app "2026-09-04 02:00" --yes', explains: 'as it was then, in its place' },
    {
      command: 'lifeboat restore app --strategy merge --dry-run',
      explains: 'what it would add to what is there',
    },
    { command: 'lifeboat restore docs 3f2a --to ./out --include reports', explains: 'one folder of one snapshot' },
    {
      command: 'lifeboat restore shop --to postgres:///shop_test',
      explains: 'a new database on the server of the source',
    },
    { command: 'lifeboat restore shop --table product --yes', explains: 'one table, with all that refers to it' },
    {
      command: 'lifeboat restore cluster --at "2026-09-04 01:59:30" --to /srv/copy --start',
      explains: 'a PostgreSQL cluster as it was at that second, with a server on it',
    },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const name = call.values.required('source')
    const moment = recoveryTargetOf(call)
    const chosen = await choose(call, app, name, moment)
    const recovery =
      moment && isPhysical(app, name) ? await recoveryRequestOf(call, app, chosen, name, moment) : undefined
    const place = await placeOf(call, app, name)
    if (call.values.text('strategy') === 'merge') {
      const { mergeInto } = await import('../restore/merge.ts')
      return await mergeInto(call, app, chosen, place)
    }
    const { bringBack } = await import('../restore/bring-back.ts')
    return await bringBack(call, app, chosen, { place, recovery })
  },
}

async function choose(call: Call, app: App, name: string, moment: RecoveryTarget | undefined): Promise<ChosenSnapshot> {
  const explicit = call.values.text('snapshot')
  const isRecovery = moment !== undefined && isPhysical(app, name)
  if (isRecovery && explicit === undefined) return await chooseBackup(call, app, name, moment)
  const chosen = await chooseSnapshot(call, app, name === ANY ? undefined : name, wishOf(call, app, name, moment))
  if (!isRecovery || !needsBefore(moment)) return chosen
  return await chooseBackup(call, app, name, moment, chosen.snapshot.id)
}

/** A backup that is named serves only for what happened after its end. */
const needsBefore = ({ kind }: RecoveryTarget): boolean => kind !== 'immediate' && kind !== 'end'

/** Of a source without a log, `--at` means the last snapshot before that moment. */
function wishOf(call: Call, app: App, name: string, moment: RecoveryTarget | undefined): SnapshotWish {
  const explicit = call.values.text('snapshot')
  if (moment === undefined || isPhysical(app, name)) return parseSnapshotWish(explicit ?? 'latest', call.clock.now())
  if (moment.kind === 'time' && explicit === undefined) {
    return { kind: 'at', time: new Date(Math.floor(moment.epochMicros / 1000)) }
  }
  throw new AppError('usage', `source ${name} has no log to recover from`, {
    hint: 'Name a snapshot, or --at TIME for the newest before that time. Only physical postgres sources go further.',
  })
}
