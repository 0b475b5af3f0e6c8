import { printableName } from '../../base/bytes.ts'
import { collect } from '../../base/collect.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { ListedEntry } from '../../operations/browse/listed-entry.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { pointJson } from '../../outputs/point.ts'
import type { Command } from '../command.ts'
import { Damage } from '../damage.ts'
import { describeIncomplete, findIncomplete } from '../incomplete.ts'
import { ORIGIN_OPTIONS } from '../selection.ts'
import { POINT_ARGUMENT, SOURCE_OPTION, typedPointAndPath } from '../snapshot-argument.ts'

export const ls: Command<Printed<'ls'>> = {
  name: 'ls',
  summary: 'list the contents of a snapshot',
  arguments: [
    POINT_ARGUMENT,
    { name: 'path', summary: 'a path in the source, or, with a leading "/", in the whole snapshot' },
  ],
  options: [
    { flags: '-r, --recursive', summary: 'include everything below folders' },
    SOURCE_OPTION,
    ...ORIGIN_OPTIONS,
  ],
  examples: [
    { command: 'lifeboat ls docs', explains: 'the newest snapshot of a source' },
    { command: 'lifeboat ls 3f2a reports --recursive', explains: 'a folder of one snapshot' },
    { command: 'lifeboat ls docs --at "2026-09-04 02:00"', explains: 'as it was at that time' },
    { command: 'lifeboat ls --from /mnt/disk/backups:3f2a reports', explains: 'from a repository by its path' },
    { command: 'lifeboat ls 3f2a /', explains: 'from the root, including the manifest in .lifeboat' },
  ],
  run: async call => {
    const operation = await import('../../operations/ls/ls.ts')
    const { chosen, path = '' } = await typedPointAndPath(call)
    const damage = new Damage(call)
    const entries = operation.ls({
      repository: chosen.contents,
      snapshot: chosen.snapshot,
      path,
      recursive: call.values.flag('recursive'),
      signal: call.signal,
      onFinding: damage.tell,
    })
    const incomplete = await findIncomplete(chosen.contents, chosen.snapshot)
    const problems = describeIncomplete(chosen.snapshot, incomplete, call.terminal.err)
    if (!call.json) return damage.output<Printed<'ls'>>({ json: undefined, text: lines(entries), problems })
    const listed = await collect(entries)
    return damage.output<Printed<'ls'>>({
      json: { ...pointJson(chosen), incomplete: incomplete ?? null, entries: listed },
      text: '',
    })
  },
}

async function* lines(entries: AsyncIterable<ListedEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${formatEntry(entry)}\n`
}

/** `-rw-r--r--  alice  1.2 KiB  2026-09-04 02:00:00  path -> target`. */
export function formatEntry(entry: ListedEntry): string {
  const owner = (entry.user ?? String(entry.uid)).padEnd(8)
  const size = (entry.sizeBytes === undefined ? '' : formatSize(entry.sizeBytes)).padStart(8)
  const target = entry.linkTarget === undefined ? '' : ` -> ${printableName(entry.linkTarget)}`
  const slash = entry.type === 'dir' ? '/' : ''
  return `${entry.permissions}  ${owner}  ${size}  ${formatTime(new Date(entry.modified))}  ${printableName(entry.path)}${slash}${target}`
}
