import type { App } from '../../app/app.ts'
import { printableName } from '../../base/bytes.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { ChangeKind } from '../../operations/diff/compare-nodes.ts'
import type { Change, DiffResult, EntryCounts } from '../../operations/diff/diff.ts'
import type { Choice, ChosenSnapshot } from '../../operations/snapshots/choose-snapshot.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { describeRowDiff, rowDiffToJson } from '../diff/describe-rows.ts'
import { NOW, type TypedDiff, typedDiff } from '../diff/points.ts'
import { warnOfIncomplete } from '../incomplete.ts'
import { counted } from '../printers/text.ts'
import { AS_OF_OPTION, chosenSnapshot, REPOSITORY_OPTION, requireRepositoryAlone } from '../selection.ts'
import { SNAPSHOT_ARGUMENT, SOURCE_OPTION } from '../snapshot-argument.ts'
import type { Terminal } from '../terminal.ts'

/** Of each table and kind of change. */
const DEFAULT_LIMIT = 20

export const diff: Command<Printed<'diff'>> = {
  name: 'diff',
  summary: 'compare two recovery points, or one with what is live',
  description: [
    'Of databases, counts the rows of each table that only one of the two has, and those that changed; --table lists them. Rows are matched by primary key, or as a whole where a table has none. "now" is what is live, which is read as of one instant and not changed. With the name of a source first, the others are its recovery points: lifeboat diff SOURCE [POINT] [POINT|now], by default the newest and now.',
    'Of folders, or with a path, lists files: + added, - removed, M content changed, T type changed, U only metadata changed (with --metadata).',
  ],
  arguments: [
    { ...SNAPSHOT_ARGUMENT, name: 'before', summary: 'a source, an id, latest, a time like "3h ago", or now' },
    { name: 'after', summary: 'likewise; after a source, the point to compare (default: latest)' },
    { name: 'path', summary: 'only this path and what is below it; after a source, the other point (default: now)' },
  ],
  options: [
    { flags: '--table <name>', summary: 'of this table, list the rows that differ', repeat: true },
    {
      flags: '--limit <rows>',
      summary: `with --table: list at most this many of each kind (default ${DEFAULT_LIMIT})`,
    },
    { flags: '--metadata', summary: 'of files, also show changes of owner, mode and times alone' },
    SOURCE_OPTION,
    REPOSITORY_OPTION,
    AS_OF_OPTION,
  ],
  examples: [
    { command: 'lifeboat diff app', explains: 'what has changed since the newest recovery point, in rows' },
    { command: 'lifeboat diff app "1d ago" --table users', explains: 'which users, with what they were and are' },
    { command: 'lifeboat diff app "2d ago" "1d ago"', explains: 'what changed on that day' },
    { command: 'lifeboat diff 3f2a 9b1c', explains: 'two snapshots' },
    { command: 'lifeboat diff "1d ago" latest --source docs', explains: 'which files changed since yesterday' },
    { command: 'lifeboat diff "1d ago" docs --from offsite', explains: 'the same, from that repository' },
  ],
  run: async call => {
    requireRepositoryAlone(call)
    const app = await call.openApp()
    const typed = typedDiff(call, app.config.sources)
    const ofRows = typed.before === NOW || typed.after === NOW || call.values.list('table').length > 0
    if (ofRows) return await diffRows(call, app, typed)
    const { before, after } = typed
    const choose = async (choice: Choice): Promise<ChosenSnapshot> =>
      chosenSnapshot(call, app, choice.source, choice.wish)
    const chosen = { before: await choose(before as Choice), after: await choose(after as Choice) }
    const ofFiles = typed.path !== undefined || call.values.flag('metadata')
    const { haveRows } = await import('../../operations/diff/compare-rows.ts')
    if (!ofFiles && (await haveRows(app, [chosen.before, chosen.after], call.caller))) {
      return await diffRows(call, app, { ...typed, before: theSame(chosen.before), after: theSame(chosen.after) })
    }
    return await diffFiles(call, chosen, typed.path)
  },
}

async function diffRows(call: Call, app: App, { before, after, path }: TypedDiff): Promise<Output<Printed<'diff'>>> {
  const { values } = call
  const misfit = path !== undefined ? `the path ${path}` : values.flag('metadata') ? '--metadata' : undefined
  if (misfit !== undefined) {
    throw new AppError('usage', `${misfit} does not go with rows`, {
      hint: 'Name two snapshots, neither of them now, and no --table, to compare their files.',
    })
  }
  const tables = values.list('table')
  const limit = values.count('limit', '--limit')
  if (limit !== undefined && tables.length === 0) {
    throw new AppError('usage', '--limit goes with --table', { hint: 'Say of which table to list rows: --table NAME.' })
  }
  const listRows = tables.length === 0 ? undefined : (limit ?? DEFAULT_LIMIT)
  const { compareRows } = await import('../../operations/diff/compare-rows.ts')
  const result = await compareRows(app, { before, after, tables, listRows }, call.caller)
  return { json: rowDiffToJson(result), text: describeRowDiff(result, listRows, call.terminal.out) }
}

/** Not looked for again: of "latest" there may be a newer one by then. */
function theSame({ name, snapshot }: ChosenSnapshot): Choice {
  return { source: undefined, wish: { kind: 'id', prefix: snapshot.id }, repository: name }
}

async function diffFiles(
  call: Call,
  { before, after }: { readonly before: ChosenSnapshot; readonly after: ChosenSnapshot },
  path = '',
): Promise<Output<Printed<'diff'>>> {
  const operation = await import('../../operations/diff/diff.ts')
  if (before.name !== after.name) throw differentRepositories(before.name, after.name)
  warnOfIncomplete(call, [before.snapshot, after.snapshot])
  const changes: Change[] = []
  const result = await operation.diff({
    repository: before.contents,
    before: before.snapshot,
    after: after.snapshot,
    path,
    metadata: call.values.flag('metadata'),
    signal: call.signal,
    onChange: change => changes.push(change),
  })
  return { json: { repository: before.name, ...result, changes }, text: diffText(changes, result, call.terminal) }
}

function differentRepositories(before: string, after: string): AppError {
  return new AppError('usage', `the snapshots are in different repositories, ${before} and ${after}`, {
    hint: 'Compare two of one repository; name it with --from.',
  })
}

const SIGNS: Readonly<Record<ChangeKind, string>> = { added: '+', removed: '-', content: 'M', type: 'T', metadata: 'U' }
const STYLES = { added: 'green', removed: 'red', content: 'yellow', type: 'yellow', metadata: 'cyan' } as const

export function* diffText(
  changes: readonly Change[],
  result: DiffResult,
  terminal: Pick<Terminal, 'out'>,
): Generator<string> {
  for (const { path, change, type, unexplained } of changes) {
    const note = unexplained ? '  (changed though nobody wrote to it: look for a failing disk)' : ''
    const sign = terminal.out(STYLES[change], SIGNS[change])
    yield `${sign} ${printableName(path)}${type === 'dir' ? '/' : ''}${note}\n`
  }
  const { added, removed, changed, metadataChanged, newBlobs, goneBlobs } = result
  if (changes.length === 0) {
    yield 'No difference.\n'
    return
  }
  yield `${describe(added)} added, ${describe(removed)} removed, ${changed} changed`
  yield metadataChanged > 0 ? `, ${metadataChanged} with other metadata\n` : '\n'
  yield `${formatSize(newBlobs.storedBytes)} of the repository only for the later one, ${formatSize(goneBlobs.storedBytes)} only for the earlier one\n`
}

function describe({ files, dirs, others, bytes }: EntryCounts): string {
  const rest = others > 0 ? `, ${others} other` : ''
  return `${counted(files, 'file')} (${formatSize(bytes)}), ${counted(dirs, 'folder')}${rest}`
}
