import type { App } from '../../app/app.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { StorageCost, Stored } from '../../operations/stats/cost.ts'
import type { StatsResult } from '../../operations/stats/stats.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { Call, Command, Output } from '../command.ts'
import { Damage } from '../damage.ts'
import { counted } from '../printers/text.ts'
import { chosenSnapshot, ORIGIN_OPTIONS, pointOrMoment, repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { snapshotOf } from '../snapshot-argument.ts'

export const stats: Command<Printed<'stats'>> = {
  name: 'stats',
  summary: 'show how much space snapshots take, and what deduplication and compression save',
  arguments: [
    { name: 'snapshots', summary: 'ids, latest, or sources (default: all)', variadic: true, complete: 'sources' },
  ],
  options: [
    { flags: '--source <name>', summary: 'only this source’s snapshots', complete: 'sources' },
    ...ORIGIN_OPTIONS,
    { flags: '--cost', summary: 'what repositories take of their storages: objects, bytes, classes, requests a day' },
  ],
  examples: [
    { command: 'lifeboat stats', explains: 'all snapshots of all repositories' },
    { command: 'lifeboat stats --source app', explains: 'the snapshots of one source' },
    { command: 'lifeboat stats --from offsite:latest', explains: 'the newest snapshot of one repository' },
    { command: 'lifeboat stats 3f2a', explains: 'one snapshot' },
    { command: 'lifeboat stats --cost --repo offsite', explains: 'what one repository is billed for' },
  ],
  run: async call => {
    if (call.values.flag('cost')) return await costs(call)
    const operation = await import('../../operations/stats/stats.ts')
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const damage = new Damage(call, several)
    const named = await namedSnapshots(call, app)
    const results = await several.each(named?.keys() ?? repositoryNames(app, repoOf(call)), async name => {
      const repository = await app.repository(name)
      const snapshots = named?.get(name) ?? (await ofSource(call, repository, damage))
      const result = await operation.stats({ repository, snapshots, signal: call.signal })
      result.findings.forEach(damage.tell)
      return { name, ...result }
    })
    return damage.output({
      json: {
        repositories: results.map(({ name, repository, ...rest }) => ({
          repository: name,
          whole: repository,
          ...rest,
          snapshots: rest.snapshots.map(each => ({ ...each, incomplete: incompleteOf(each.incomplete) })),
        })),
        failed: several.failed,
      },
      text: results.map(describe).join(''),
    })
  },
}

async function costs(call: Call): Promise<Output<Printed<'stats'>>> {
  if (call.values.list('snapshots').length > 0 || call.values.text('source') !== undefined) {
    throw new AppError('usage', '--cost is of whole repositories', { hint: 'Name one with --repo, or none for all.' })
  }
  const { costOf } = await import('../../operations/stats/cost.ts')
  const app = await call.openApp()
  const several = new SeveralRepositories(call)
  const found = await several.each(repositoryNames(app, repoOf(call)), name => costOf(app, name, call.signal))
  return {
    json: {
      costs: found.map(({ requests, ...rest }) => ({ ...rest, requests: requests ?? null })),
      failed: several.failed,
    },
    text: found.map(describeCost).join(''),
    exitCode: several.failure?.exitCode ?? 0,
  }
}

function describeCost({ repository, objects, bytes, kinds, classes, requests }: StorageCost): string {
  const line = (name: string, each: Stored): string =>
    `  ${name.padEnd(16)} ${counted(each.objects, 'object')}, ${formatSize(each.bytes)}\n`
  return (
    `${repository}: ${counted(objects, 'object')}, ${formatSize(bytes)}\n` +
    kinds.map(each => line(each.kind, each)).join('') +
    (classes.length === 0
      ? ''
      : `  by storage class:\n${classes.map(each => line(each.storageClass, each)).join('')}`) +
    describeRequests(requests)
  )
}

function describeRequests(requests: StorageCost['requests']): string {
  if (requests === undefined) return ''
  const { days, runs, perDay } = requests
  const { saves, lists, loads, finds, removes } = perDay
  return `  about ${saves} saves, ${lists} listings, ${loads} reads, ${finds} looks and ${removes} removals a day, by ${counted(runs, 'recorded run')} of this machine in ${days} ${days === 1 ? 'day' : 'days'}\n`
}

const incompleteOf = (count: number) => (count === 0 ? null : { count })

/** Those of the arguments, or of `--from` and `--at`, by repository; undefined where none is named. */
async function namedSnapshots(call: Call, app: App): Promise<ReadonlyMap<string, readonly Snapshot[]> | undefined> {
  const wanted = call.values.list('snapshots')
  const told = pointOrMoment(call, undefined)
  if (told === undefined && wanted.length === 0) return undefined
  if (told !== undefined && wanted.length > 0) throw pointTwice()
  const chosen =
    told === undefined
      ? await Promise.all(wanted.map(text => snapshotOf(call, app, text)))
      : [await chosenSnapshot(call, app, call.values.text('source'), told)]
  const members = Map.groupBy(chosen, each => each.name)
  return new Map([...members].map(([name, each]) => [name, each.map(({ snapshot }) => snapshot)]))
}

function pointTwice(): AppError {
  return new AppError('usage', 'snapshots and the point of --from or --at exclude each other', {
    hint: 'Name the snapshots with one of them.',
  })
}

async function ofSource(call: Call, repository: Repository, damage: Damage): Promise<readonly Snapshot[]> {
  const source = call.values.text('source')
  const { snapshots, findings } = await repository.listSnapshots()
  findings.forEach(damage.tell)
  return snapshots.filter(({ tags }) => source === undefined || labelsOf(tags).source === source)
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
