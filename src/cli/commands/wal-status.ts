import { formatDuration } from '../../base/durations.ts'
import { formatSize } from '../../base/sizes.ts'
import type { WalStatus } from '../../operations/wal/status.ts'
import { repositoriesOf } from '../../operations/workspace/names.ts'
import { lookAround } from '../../operations/workspace/run.ts'
import { windowJson } from '../../outputs/wal.ts'
import type { Call, Command } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { formatWindow } from '../recovery-windows.ts'
import { repoOf } from '../selection.ts'
import { requireLog, sourceName } from './wal.ts'

interface NamedStatus extends WalStatus {
  readonly repository: string
}

export const walStatus: Command = {
  name: 'wal status',
  summary: 'show how much of the WAL of a PostgreSQL cluster is archived',
  description: [
    'Shows the archived range and gaps in it, how far it is behind the server in bytes and seconds, and the state of the replication slot or archiver. Exits with 22 if something is missing or broken.',
  ],
  arguments: [{ name: 'source', summary: 'a physical postgres source', complete: 'sources' }],
  examples: [{ command: 'lifeboat wal status shop', explains: 'in every repository of the source' }],
  run: async call => {
    const { readWalStatus } = await import('../../operations/wal/status.ts')
    const app = await call.openApp()
    const name = sourceName(call, app, call.values.text('source'))
    const source = await app.source(name)
    requireLog(source)
    const statuses = await lookAround(app, call.caller, async run => {
      const found: NamedStatus[] = []
      for (const repository of repositoriesOf(app, name, repoOf(call))) {
        const opened = await app.repository(repository)
        found.push({ ...(await readWalStatus({ ...run, repository: opened, source })), repository })
      }
      return found
    })
    const broken = statuses.some(status => status.findings.some(finding => finding.severity === 'error'))
    return {
      json: { source: name, repositories: statuses.map(toJson) },
      text: statuses.map(status => describe(status, call)).join('\n'),
      exitCode: broken ? 22 : 0,
    }
  },
}

function toJson({ repository, clusters, server, lag, findings }: NamedStatus): unknown {
  return {
    repository,
    clusters: clusters.map(({ archive, timelines, gaps, windows }) => ({
      systemIdentifier: archive.systemIdentifier,
      files: archive.files,
      storedBytes: archive.storedBytes,
      timelines,
      gaps,
      windows: windows.map(windowJson),
    })),
    server: server ?? null,
    lag: lag ?? null,
    findings,
  }
}

function describe(status: NamedStatus, call: Call): string {
  const lines = [`${status.source} in ${status.repository}`]
  for (const { archive, timelines, windows } of status.clusters) {
    lines.push(
      `  cluster ${archive.systemIdentifier}: ${counted(archive.files, 'file')}, ${formatSize(archive.storedBytes)}`,
    )
    for (const { timeline, first, last, segments } of timelines) {
      lines.push(`  timeline ${timeline}: ${first} to ${last}, ${counted(segments, 'segment')}`)
    }
    lines.push(...windows.map(window => `  can be recovered: ${formatWindow(window)}`))
  }
  lines.push(`  ${describeServer(status)}`)
  return `${lines.join('\n')}\n${formatFindings(status.findings, call.terminal.out)}`
}

function describeServer({ server, lag }: NamedStatus): string {
  if (server === undefined) return 'the server does not answer'
  const { slot } = server
  const holds =
    slot && `slot ${slot.name} is ${slot.active ? 'in use' : 'not in use'}, keeps ${formatSize(slot.retainedBytes)}`
  const behind =
    lag === undefined
      ? 'nothing of its current timeline is stored'
      : `${formatSize(lag.bytes)}, ${formatDuration(lag.seconds * 1000)} behind`
  return [`the server is at ${server.lsn} on timeline ${server.timeline}`, behind, ...(holds ? [holds] : [])].join('; ')
}
