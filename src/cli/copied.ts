import { formatDuration } from '../base/durations.ts'
import { formatSize } from '../base/sizes.ts'
import type { CopyResult } from '../operations/copy/copy-between.ts'
import { counted, formatFindings } from './printers/text.ts'
import type { Paint } from './terminal.ts'

/** What was copied between two repositories. */
export function describeCopied(result: CopyResult, paint: Paint): string {
  const { copied, present, leftOut, log, pins, bytesRead, bytesStored, durationMs, findings } = result
  const lines = [
    `copied ${paint('bold', counted(copied.length, 'recovery point'))}${present.length === 0 ? '' : `, ${present.length} there already`}`,
    `  read ${formatSize(bytesRead)}, stored ${formatSize(bytesStored)}, ${formatDuration(durationMs)}`,
  ]
  if (log !== undefined) lines.push(`  log: ${counted(log.files, 'file')}, ${formatSize(log.bytes)}`)
  if (pins > 0) lines.push(`  ${counted(pins, 'pin')} taken over`)
  if (leftOut.length > 0) lines.push(`  ${paint('yellow', `left out ${leftOut.length}`)}, see below`)
  return `${lines.join('\n')}\n${formatFindings(findings, paint)}`
}
