import { formatDuration } from '../../base/durations.ts'
import { formatSize } from '../../base/sizes.ts'
import type { NamedLogStatus } from '../../operations/logs/logs.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { walStatusJson } from '../../outputs/wal.ts'
import type { Call, Command } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { formatWindow } from '../recovery-windows.ts'
import { repoOf } from '../selection.ts'

export const walStatus: Command<Printed<'wal status'>> = {
  name: 'wal status',
  summary: 'show how much of the WAL of a PostgreSQL cluster is archived',
  description: [
    'Shows the archived range and gaps in it, how far it is behind the server in bytes and seconds, and the state of the replication slot or archiver. Exits with 22 if something is missing or broken.',
  ],
  arguments: [{ name: 'source', summary: 'a source with a log', complete: 'sources' }],
  examples: [{ command: 'lifeboat wal status shop', explains: 'in every repository of the source' }],
  run: async call => {
    const { readLogStatuses } = await import('../../operations/logs/logs.ts')
    const app = await call.openApp()
    const wish = { source: call.values.text('source'), repository: repoOf(call) }
    const { source, repositories } = await readLogStatuses(app, wish, call.caller)
    const broken = repositories.some(status => status.findings.some(finding => finding.severity === 'error'))
    return {
      json: { source, repositories: repositories.map(walStatusJson) },
      text: repositories.map(status => describe(status, call)).join('\n'),
      exitCode: broken ? 22 : 0,
    }
  },
}

function describe(status: NamedLogStatus, call: Call): string {
  const lines = [`${status.source} in ${status.repository}`]
  for (const { id, words, files, storedBytes, ranges, windows } of status.logs) {
    lines.push(`  ${words.log} ${id}: ${counted(files, 'file')}, ${formatSize(storedBytes)}`)
    for (const { branch, first, last, files: count } of ranges) {
      lines.push(`  ${words.branch} ${branch}: ${first} to ${last}, ${counted(count, words.file)}`)
    }
    lines.push(...windows.map(window => `  can be recovered: ${formatWindow(window)}`))
  }
  lines.push(`  ${describeLive(status)}`)
  return `${lines.join('\n')}\n${formatFindings(status.findings, call.terminal.out)}`
}

function describeLive({ live, lag, logs }: NamedLogStatus): string {
  if (live === undefined) return 'the server does not answer'
  const { hold } = live
  const branch = logs[0]?.words.branch ?? 'branch'
  const holds =
    hold && `slot ${hold.name} is ${hold.active ? 'in use' : 'not in use'}, keeps ${formatSize(hold.retainedBytes)}`
  const behind =
    lag === undefined
      ? `nothing of its current ${branch} is stored`
      : `${formatSize(lag.bytes)}, ${formatDuration(lag.seconds * 1000)} behind`
  return [`the server is at ${live.position} on ${branch} ${live.branch}`, behind, ...(holds ? [holds] : [])].join('; ')
}
