import { formatDuration } from '../base/durations.ts'
import { formatSize } from '../base/sizes.ts'
import { formatTime } from '../base/times.ts'
import { SHORT_ID_DIGITS } from '../model/recovery-point.ts'
import type { Verified } from '../operations/verify/prove.ts'
import type { VerifyResult } from '../operations/verify/verify.ts'
import { formatFindings } from './printers/text.ts'
import type { Paint } from './terminal.ts'

/** How a recovery point that was put to the proof is printed. */

export function describeVerified({ chosen, result, report }: Verified, paint: Paint): string {
  const { snapshot, name } = chosen
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const lacking = result.incomplete === undefined ? '' : `, ${paint('yellow', 'incomplete')}`
  const verdict = result.passed
    ? paint('green', result.level) + lacking
    : paint('red', result.damaged ? 'damaged' : 'did not pass')
  return (
    `${result.source} of ${formatTime(snapshot.time)} (snapshot ${id} in ${name}): ${verdict}\n` +
    `  read ${formatSize(result.bytesRead)} in ${formatDuration(result.durationMs)}\n` +
    describeChecks(result, paint) +
    formatFindings(result.findings, paint) +
    (result.passed ? '' : `  What to do now: lifeboat report ${report.run.slice(0, SHORT_ID_DIGITS)}\n`)
  )
}

const ROWS = 'rows of '

/** What failed in full; of what passed the names, those of tables as a number: a database may have hundreds. */
function describeChecks({ checks }: VerifyResult, paint: Paint): string {
  const failed = checks
    .filter(check => !check.passed)
    .map(({ name, expected, found }) => `  ${paint('red', 'failed')} ${name}: expected ${expected}, found ${found}\n`)
  const names = checks.filter(check => check.passed).map(({ name }) => name)
  const others = names.filter(name => !name.startsWith(ROWS))
  const tables = names.length - others.length
  const passed = tables === 0 ? others : [...others, `${ROWS}${tables === 1 ? '1 table' : `${tables} tables`}`]
  return failed.join('') + (passed.length === 0 ? '' : `  passed: ${passed.join(', ')}\n`)
}
