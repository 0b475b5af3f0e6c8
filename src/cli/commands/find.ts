import type { App } from '../../app/app.ts'
import { collect } from '../../base/collect.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import { parseTime } from '../../base/times.ts'
import type { NodeType } from '../../model/node.ts'
import { labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { FoundEntry } from '../../operations/find/find.ts'
import type { SnapshotWish } from '../../operations/snapshots/find-snapshot.ts'
import { nearestFirst, repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Repository } from '../../repository/index.ts'
import type { Call, Command } from '../command.ts'
import { Damage } from '../damage.ts'
import { warnOfIncomplete } from '../incomplete.ts'
import { ORIGIN_OPTIONS, pointOrMoment, repoOf, typedWish } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { formatEntry } from './ls.ts'

const TYPES: Readonly<Record<string, readonly NodeType[]>> = {
  file: ['file'],
  dir: ['dir'],
  symlink: ['symlink'],
}

export const find: Command<Printed<'find'>> = {
  name: 'find',
  summary: 'find files by name in snapshots',
  description: [
    'Patterns are globs: `*.db`, `report-202?.pdf`. A pattern without "/" matches names, one with "/" matches paths. Quote patterns so that the shell does not expand them.',
  ],
  arguments: [{ name: 'patterns', summary: 'names or globs', required: true, variadic: true }],
  options: [
    { flags: '--source <name>', summary: 'only in this source’s snapshots', complete: 'sources' },
    { flags: '--snapshot <id>', summary: 'only in this snapshot, or latest', repeat: true },
    { flags: '-i, --ignore-case', summary: 'ignore case' },
    { flags: '--type <type>', summary: 'only entries of this type', choices: Object.keys(TYPES) },
    { flags: '--newer <time>', summary: 'only entries modified at or after this time, like "3d ago"' },
    { flags: '--older <time>', summary: 'only entries modified at or before this time' },
    ...ORIGIN_OPTIONS,
  ],
  examples: [
    { command: 'lifeboat find "*.pdf" --source docs', explains: 'in all snapshots of a source' },
    { command: 'lifeboat find "reports/**" --newer "7d ago"', explains: 'what changed below a folder this week' },
  ],
  run: async call => {
    const several = new SeveralRepositories(call)
    const damage = new Damage(call, several)
    const found = search(call, several, damage)
    if (call.json) return damage.output<Printed<'find'>>({ json: (await collect(found)).map(toJson), text: '' })
    return damage.output<Printed<'find'>>({ json: undefined, text: lines(found) })
  },
}

interface FoundIn extends FoundEntry {
  readonly repository: string
}

async function* search(call: Call, several: SeveralRepositories, damage: Damage): AsyncGenerator<FoundIn> {
  const operation = await import('../../operations/find/find.ts')
  const { helpedContents } = await import('../../operations/snapshots/helped-contents.ts')
  const app = await call.openApp()
  const oldest = timeOf(call, 'newer')
  const newest = timeOf(call, 'older')
  const only = repoOf(call)
  // One that is away must not keep those on this machine from it.
  yield* several.through(nearestFirst(app, repositoryNames(app, only)), async function* (name) {
    const repository = await app.repository(name)
    const snapshots = await snapshotsOf(call, app, repository, damage)
    warnOfIncomplete(call, snapshots)
    const request = {
      repository: helpedContents(app, { name, repository }, only, damage.tell),
      snapshots,
      patterns: call.values.list('patterns'),
      ignoreCase: call.values.flag('ignoreCase'),
      types: TYPES[call.values.text('type') ?? ''],
      oldest,
      newest,
      signal: call.signal,
      onFinding: damage.tell,
    }
    for await (const entry of operation.find(request)) yield { ...entry, repository: name }
  })
}

async function snapshotsOf(call: Call, app: App, repository: Repository, damage: Damage) {
  const host = { own: app.host.hostname, named: undefined }
  const { getWishedSnapshot } = await import('../../operations/snapshots/find-snapshot.ts')
  const source = call.values.text('source')
  const wishes = wishesOf(call)
  if (wishes.length === 0) {
    const { snapshots, findings } = await repository.listSnapshots()
    findings.forEach(damage.tell)
    return snapshots.filter(({ tags }) => source === undefined || labelsOf(tags).source === source)
  }
  const present = { now: call.clock.now(), onFinding: damage.tell }
  // Of several repositories only one may have it.
  const found = await Promise.all(
    wishes.map(wish => getWishedSnapshot(repository, source, wish, host, present).catch(noneOfIt)),
  )
  return found.filter(snapshot => snapshot !== undefined)
}

/** Several with `--snapshot`, one by `--from` or `--at`. */
function wishesOf(call: Call): SnapshotWish[] {
  const wanted = call.values.list('snapshot')
  const told = pointOrMoment(call, undefined)
  if (told === undefined) return wanted.map(text => typedWish(call, text))
  if (wanted.length === 0) return [told]
  throw new AppError('usage', '--snapshot and the point of --from or --at exclude each other', {
    hint: 'Name the snapshots with one of them.',
  })
}

function noneOfIt(error: unknown): undefined {
  if (!isAppError(error, 'snapshot-not-found')) throw error
}

function timeOf(call: Call, name: string): Date | undefined {
  const text = call.values.text(name)
  if (text === undefined) return undefined
  const time = parseTime(text, call.clock.now())
  if (time !== undefined) return time
  throw new AppError('usage', `--${name} cannot be "${text}"`, {
    hint: 'Write a time like "2026-09-04 02:00" or "3d ago".',
  })
}

const toJson = (entry: FoundIn) => ({ ...entry, shortId: entry.snapshot.slice(0, SHORT_ID_DIGITS) })

async function* lines(found: AsyncIterable<FoundIn>): AsyncGenerator<string> {
  for await (const entry of found) yield `${entry.snapshot.slice(0, SHORT_ID_DIGITS)}  ${formatEntry(entry)}\n`
}
