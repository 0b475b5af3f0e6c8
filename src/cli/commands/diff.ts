import { printableName } from '../../base/bytes.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { ChangeKind } from '../../operations/diff/compare-nodes.ts'
import type { Change, DiffResult, EntryCounts } from '../../operations/diff/diff.ts'
import type { Command } from '../command.ts'
import { warnOfIncomplete } from '../incomplete.ts'
import { counted } from '../printers/text.ts'
import { REPOSITORY_OPTION, requireRepositoryAlone } from '../selection.ts'
import { SNAPSHOT_ARGUMENT, SOURCE_OPTION, snapshotOf } from '../snapshot-argument.ts'
import type { Terminal } from '../terminal.ts'

export const diff: Command = {
  name: 'diff',
  summary: 'compare two snapshots',
  description: ['+ added, - removed, M content changed, T type changed, U only metadata changed (with --metadata)'],
  arguments: [
    { ...SNAPSHOT_ARGUMENT, name: 'before' },
    { ...SNAPSHOT_ARGUMENT, name: 'after' },
    { name: 'path', summary: 'only this path and what is below it' },
  ],
  options: [
    { flags: '--metadata', summary: 'also show changes of owner, mode and times alone' },
    SOURCE_OPTION,
    REPOSITORY_OPTION,
  ],
  examples: [
    { command: 'lifeboat diff 3f2a 9b1c', explains: 'two snapshots' },
    { command: 'lifeboat diff "1d ago" latest --source docs', explains: 'what changed since yesterday' },
    { command: 'lifeboat diff "1d ago" docs --from offsite', explains: 'the same, from that repository' },
  ],
  run: async call => {
    const operation = await import('../../operations/diff/diff.ts')
    requireRepositoryAlone(call)
    const app = await call.openApp()
    const before = await snapshotOf(call, app, call.values.required('before'))
    const after = await snapshotOf(call, app, call.values.required('after'))
    if (before.name !== after.name) throw differentRepositories(before.name, after.name)
    warnOfIncomplete(call, [before.snapshot, after.snapshot])
    const changes: Change[] = []
    const result = await operation.diff({
      repository: before.repository,
      before: before.snapshot,
      after: after.snapshot,
      path: call.values.text('path') ?? '',
      metadata: call.values.flag('metadata'),
      signal: call.signal,
      onChange: change => changes.push(change),
    })
    return { json: { repository: before.name, ...result, changes }, text: diffText(changes, result, call.terminal) }
  },
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
