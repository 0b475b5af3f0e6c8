import type { App } from '../../app/app.ts'
import type { AppError } from '../../base/errors.ts'
import { PROOF_LEVELS } from '../../model/recovery-point.ts'
import { type Choice, isIdPrefix } from '../../operations/snapshots/choose-snapshot.ts'
import type { SnapshotWish } from '../../operations/snapshots/find-snapshot.ts'
import { exitCodeOfProofs } from '../../operations/verify/exit-code.ts'
import type { VerifyAttempt } from '../../operations/verify/prove.ts'
import { joinReports } from '../../operations/verify/verify-report.ts'
import { requireSource, sourceNames } from '../../operations/workspace/names.ts'
import { attemptedProofJson } from '../../outputs/backup.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { formatError } from '../printers/text.ts'
import { checkReportOption, REPORT_OPTION, writeReportOption } from '../reports.ts'
import { ORIGIN_OPTIONS, pointOrMoment, repoOf } from '../selection.ts'
import { describeVerified } from '../verification.ts'

export const verify: Command<Printed<'verify'>> = {
  name: 'verify',
  summary: 'prove that a recovery point can be restored',
  description: [
    'checked: reads every byte and compares it with what was stored. restored: really restores it into a temporary file, folder or PostgreSQL server, compares integrity, foreign keys and row counts with what was captured, and runs your own checks (`assertions:` of the source).',
    'Without arguments, verifies the newest recovery point of every source. "lifeboat snapshots" shows what is proven, and when.',
    'Exits with 21 if something does not pass, with 22 if data is lost, and with 3 if everything is correct but something of the source was never captured.',
  ],
  arguments: [
    { name: 'source', summary: 'a source (default: all), or the id of a snapshot', complete: 'sources' },
    { name: 'snapshot', summary: 'latest (default), an id, or a time like "3h ago"', complete: ['latest'] },
  ],
  options: [
    { flags: '--level <level>', summary: 'how thoroughly (default: checked)', choices: PROOF_LEVELS },
    { flags: '--host <name>', summary: 'use the snapshots of this host (default: this machine, if it has any)' },
    ...ORIGIN_OPTIONS,
    REPORT_OPTION,
  ],
  examples: [
    { command: 'lifeboat verify', explains: 'read everything in the newest snapshot of every source' },
    {
      command: 'lifeboat verify shop --level restored',
      explains: 'restore the newest snapshot of a source to a temporary place',
    },
    { command: 'lifeboat verify shop --from offsite', explains: 'the newest in that repository' },
    { command: 'lifeboat verify 6b9710af --report proof.html', explains: 'one snapshot, with a report to share' },
  ],
  run: async call => {
    await checkReportOption(call)
    const { proveAll } = await import('../../operations/verify/prove.ts')
    const app = await call.openApp()
    const level = PROOF_LEVELS.find(each => each === call.values.text('level')) ?? 'checked'
    const attempts = await proveAll(app, choicesOf(call, app), level, call.caller)
    const [only] = attempts
    if (attempts.length === 1 && only !== undefined && 'error' in only) throw only.error
    const verified = attempts.flatMap(each => ('error' in each ? [] : [each]))
    await writeReportOption(call, joinReports(verified.map(({ report }) => report)))
    return {
      json: { passed: exitOf(attempts) === 0, verified: attempts.map(attemptedProofJson) },
      text: verified.map(each => describeVerified(each, call.terminal.out)).join(''),
      problems: attempts.map(each => ('error' in each ? describeError(each, call) : '')).join(''),
      exitCode: exitOf(attempts),
    }
  },
}

/** Nothing, a source, a source and a point, or an id alone; `--from` and `--at` may name the point. */
function choicesOf(call: Call, app: App): Choice[] {
  const first = call.values.text('source')
  const snapshot = call.values.text('snapshot')
  const choice = (source: string | undefined, wish: SnapshotWish = { kind: 'latest' }): Choice => ({
    source,
    wish,
    repository: repoOf(call),
    host: call.values.text('host'),
  })
  const isId = first !== undefined && snapshot === undefined && !app.config.sources.has(first) && isIdPrefix(first)
  if (isId) return [choice(undefined, pointOrMoment(call, first))]
  const wish = pointOrMoment(call, snapshot)
  if (first === undefined) {
    return wish?.kind === 'id' ? [choice(undefined, wish)] : sourceNames(app, []).map(source => choice(source, wish))
  }
  // A source of another machine is in no configuration, but then its snapshot or its repository must be named.
  if (wish === undefined && app.config.file !== undefined) requireSource(app, first)
  return [choice(first, wish)]
}

/** Of several: damage says most, then what did not pass, then what could not be tried. */
function exitOf(attempts: readonly VerifyAttempt[]): number {
  const code = exitCodeOfProofs(attempts.flatMap(each => ('error' in each ? [] : [each.result])))
  const [first] = attempts.flatMap(each => ('error' in each ? [each.error] : []))
  return code === 0 && first !== undefined ? first.exitCode : code
}

function describeError({ source, error }: { readonly source: string; readonly error: AppError }, call: Call): string {
  return `${source}: ${formatError(error, call.terminal.err)}`
}
