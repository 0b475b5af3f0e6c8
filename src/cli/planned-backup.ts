import { SHORT_ID_DIGITS } from '../model/recovery-point.ts'
import type { PlannedArrival, PlannedBackup } from '../operations/backup/plan-backup.ts'
import type { Copy } from '../operations/verify/due.ts'
import { formatFindings } from './printers/text.ts'
import type { Paint } from './terminal.ts'

/** What a backup would do: `lifeboat backup --dry-run`. */

export function describePlanned(copy: Copy & (PlannedBackup | PlannedArrival), paint: Paint): string {
  if ('from' in copy) {
    const lines = [`${copy.source} -> ${copy.repository}: would be copied from ${copy.from}`, ...describePurpose(copy)]
    return `${lines.join('\n')}\n`
  }
  const { source, repository, kind, type, parent, excluded, ready, findings } = copy
  const relative = parent === undefined ? '' : `, relative to ${parent.slice(0, SHORT_ID_DIGITS)}`
  const lines = [
    `${source} -> ${repository}: would take ${type}${relative}${ready ? '' : `, but ${kind} is ${paint('red', 'not ready')}`}`,
    ...describePurpose(copy),
    ...excluded.map(folder => `  without ${folder}, which is our own`),
  ]
  return `${lines.join('\n')}\n${formatFindings(findings, paint)}`
}

function describePurpose({ policies, verify }: PlannedArrival | PlannedBackup): string[] {
  return [
    ...(policies.length === 0 ? [] : [`  for policy ${policies.join(', ')}`]),
    ...(verify === undefined ? [] : [`  then verify it: ${verify}`]),
  ]
}
