import type { App } from '../../app.ts'
import { formatSize } from '../../base/sizes.ts'
import { labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { StatsResult } from '../../operations/stats/stats.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { Call, Command } from '../command.ts'
import { Damage } from '../damage.ts'
import { counted } from '../printers/text.ts'
import { type OpenedRepository, openReadable } from '../selection.ts'
import { snapshotOf } from '../snapshot-argument.ts'

export const stats: Command = {
  name: 'stats',
  summary: 'show what snapshots take, and what deduplication and compression save',
  arguments: [
    { name: 'snapshots', summary: 'ids, latest, or sources (default: all)', variadic: true, complete: 'sources' },
  ],
  options: [{ flags: '--source <name>', summary: 'only this source’s snapshots', complete: 'sources' }],
  examples: [
    { command: 'lifeboat stats', explains: 'all snapshots of all repositories' },
    { command: 'lifeboat stats --source app', explains: 'those of one source' },
    { command: 'lifeboat stats 3f2a', explains: 'one snapshot' },
  ],
  run: async call => {
    const operation = await import('../../operations/stats/stats.ts')
    const app = await call.openApp()
    const damage = new Damage(call)
    const results: Array<StatsResult & { readonly name: string }> = []
    for (const { name, repository, snapshots } of await selected(call, app, damage)) {
      const result = await operation.stats({ repository, snapshots, signal: call.signal })
      result.findings.forEach(damage.tell)
      results.push({ name, ...result })
    }
    return damage.output({
      json: {
        repositories: results.map(({ name, repository, ...rest }) => ({
          repository: name,
          whole: repository,
          ...rest,
          snapshots: rest.snapshots.map(each => ({ ...each, incomplete: incompleteOf(each.incomplete) })),
        })),
      },
      text: results.map(describe).join(''),
    })
  },
}

const incompleteOf = (count: number): unknown => (count === 0 ? null : { count })

interface Selected extends OpenedRepository {
  readonly snapshots: readonly Snapshot[]
}

async function selected(call: Call, app: App, damage: Damage): Promise<readonly Selected[]> {
  const wanted = call.values.list('snapshots')
  if (wanted.length > 0) {
    const chosen = await Promise.all(wanted.map(text => snapshotOf(call, app, text)))
    return [...Map.groupBy(chosen, each => each.name).values()].flatMap(members => {
      const [first] = members
      return first === undefined ? [] : [{ ...first, snapshots: members.map(member => member.snapshot) }]
    })
  }
  const source = call.values.text('source')
  const all: Selected[] = []
  const { opened, failure } = await openReadable(call, app)
  damage.failure = failure
  for (const { name, repository } of opened) {
    const { snapshots, findings } = await repository.listSnapshots()
    findings.forEach(damage.tell)
    const own = snapshots.filter(({ tags }) => source === undefined || labelsOf(tags).source === source)
    all.push({ name, repository, snapshots: own })
  }
  return all
}

function describe({
  name,
  snapshots,
  files,
  restoreBytes,
  data,
  trees,
  deduplication,
  compression,
  repository,
}: StatsResult & { readonly name: string }): string {
  const incomplete = snapshots.filter(each => each.incomplete > 0).map(({ id }) => id.slice(0, SHORT_ID_DIGITS))
  const lacking = incomplete.length === 0 ? '' : `  incomplete ${incomplete.join(', ')}: "lifeboat ls ID" names what\n`
  return (
    `${name}: ${counted(snapshots.length, 'snapshot')}, ${counted(files, 'file')}, ${formatSize(restoreBytes)} to restore\n` +
    `  contents   ${counted(data.blobs, 'blob')}, ${formatSize(data.plainBytes)}, stored as ${formatSize(data.storedBytes)}\n` +
    `  trees      ${counted(trees.blobs, 'blob')}, ${formatSize(trees.plainBytes)}, stored as ${formatSize(trees.storedBytes)}\n` +
    `  saved by   deduplication ${deduplication.toFixed(1)}x, compression ${compression.toFixed(1)}x\n` +
    `  repository ${counted(repository.snapshots, 'snapshot')}, ${counted(repository.packs, 'pack')}, ${formatSize(repository.storedBytes)}\n${lacking}`
  )
}
