import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { LARGE_SAFETY_POINT } from '../../model/recovery-point.ts'
import type { ReportTable } from '../../model/report.ts'
import { SURPLUS } from '../../operations/restore/account.ts'
import type { Strategy } from '../../operations/restore/journal.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { Call } from '../command.ts'
import { formatFindings, formatTable } from '../printers/text.ts'
import type { Paint } from '../terminal.ts'

/** What is asked before something is changed. */
export interface Question {
  /** `replaces`, `merges into`, `rewrites tables of` */
  readonly verb: string
  readonly plan: RestorePlan
}

const WITH_YES: Readonly<Record<Strategy, string>> = {
  replace: 'to replace it',
  'in-place': 'to write into it',
  tables: 'to replace rows of its tables',
  merge: 'to merge into it',
}

/**
 * Asks on a terminal, showing what will be replaced; elsewhere it takes `--yes` (or `--force`, but where a whole disk would
 * be captured for it, or something be removed). Throws `target-exists`
 * without either, `plan-declined` for any other answer: then nothing was done.
 */
export async function confirmChange(call: Call, question: Question): Promise<void> {
  const { survey, findings } = question.plan
  // Somebody who forces a restore into a folder may not know that it captures a disk for that.
  const unexpected = findings.find(({ code }) => code === LARGE_SAFETY_POINT || code === SURPLUS)
  if (call.values.flag('yes') || (call.values.flag('force') && unexpected === undefined)) return
  const asks = call.terminal.interactive && !call.json
  if (!asks) {
    const why = unexpected === undefined ? 'exists' : `exists; ${unexpected.message}`
    throw new AppError('target-exists', `${survey.place} ${why}`, {
      hint: `Add --yes ${WITH_YES[question.plan.strategy]} (lifeboat undo takes that back), --dry-run to see what that would do, or choose another place with --to.`,
      context: { target: survey.place },
    })
  }
  await askForYes(call, describeChange(question, call.clock.now(), call.terminal.err))
}

/** Shows what is about to be done, and goes on for the whole word `yes` alone. Throws `plan-declined` for anything else. */
export async function askForYes(call: Call, text: string): Promise<void> {
  call.progress.clear()
  call.terminal.stderr.write(text)
  const { Prompts } = await import('../prompts.ts')
  const prompts = new Prompts(call.terminal, call.signal)
  try {
    const answer = await prompts.ask('Type yes to go on', 'no')
    if (isYes(answer)) return
    throw notConfirmed(answer)
  } finally {
    prompts.close()
  }
}

function isYes(answer: string): boolean {
  return answer.toLowerCase() === 'yes'
}

/** For any answer but `yes`; a `y` by habit is told what is missing. */
function notConfirmed(answer: string): AppError {
  const hint = /^y/i.test(answer)
    ? 'Run it again and type the whole word: yes.'
    : 'Run it again and type yes, or with --yes, when you want it.'
  return new AppError('plan-declined', 'not confirmed; nothing was changed', { hint })
}

function describeChange({ verb, plan }: Question, now: Date, paint: Paint): string {
  const { survey, account, findings, snapshot, repository } = plan
  const age = formatDuration(Math.max(0, now.getTime() - snapshot.time.getTime()))
  const id = snapshot.id.slice(0, 8)
  const lost =
    account.rowsLost === 0
      ? `What was written in the ${age} since then will be gone from it.`
      : `What was written in the ${age} since then will be gone from it: at least ${account.rowsLost} rows.`
  return (
    `This ${verb} ${paint('bold', survey.place)}\n` +
    `with the recovery point of ${formatTime(snapshot.time)} (snapshot ${id} in ${repository.name}), ${age} old.\n\n` +
    account.tables.map(table => formatReportTable(table, paint)).join('\n') +
    `\n${verb === 'merges into' ? '' : `${lost}\n`}` +
    formatFindings(findings, paint) +
    'What is there now is made safe first; "lifeboat undo" puts it back.\n'
  )
}

export function formatReportTable({ columns, rows }: ReportTable, paint: Paint): string {
  const shown = columns.map(({ name, align }, at) => ({
    title: name.toUpperCase(),
    right: align === 'right',
    value: (row: readonly string[]) => row[at] ?? '',
  }))
  return formatTable(shown, rows, paint)
}
