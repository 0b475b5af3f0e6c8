import type { Host } from '../../model/host.ts'
import type { Repository } from '../../repository/index.ts'
import type { Source, SourceContext } from '../../sources/source.ts'
import type { BackupResult } from '../backup/backup.ts'
import type { Hooks } from './hooks.ts'
import type { JournalEntry, RestoreJournal } from './journal.ts'
import { findReservedIn } from './reserved.ts'
import { restore } from './restore.ts'
import { type ChangesPath, changesAll, takeSafetyPoint } from './safety.ts'

/** What restores need of the configuration; after a kill, all they have beside it is their journal. */
export interface RestorePlaces {
  readonly journal: RestoreJournal
  /** By its name in the configuration. */
  openRepository(name: string): Promise<Repository>
  /** A source that captures and restores what is at `place`, with the name and connection of a configured one. */
  openSourceAt(name: string, kind: string, place: string): Promise<Source>
  hooksOf(source: string, target: string): Promise<Hooks>
  context(): Promise<SourceContext>
  /** Never captured, never replaced: repositories and our own state. Absolute. */
  excludedPaths(): Promise<string[]>
  readonly host: Host
  readonly programVersion: string
}

type Subject = Pick<JournalEntry, 'run' | 'source' | 'kind' | 'target' | 'repository'>

/** A recovery point of what is at the target now. */
export async function takeSafetyAt(
  places: RestorePlaces,
  subject: Subject,
  changes: ChangesPath = changesAll,
): Promise<BackupResult> {
  return await takeSafetyPoint({
    ...(await places.context()),
    run: subject.run,
    repository: await places.openRepository(subject.repository),
    source: await places.openSourceAt(subject.source, subject.kind, subject.target),
    host: places.host,
    programVersion: places.programVersion,
    excludePaths: await places.excludedPaths(),
    changes,
  })
}

/**
 * How a safety recovery point goes back: in one step, but for a folder that holds a repository or our own state. There
 * only what differs is written, and files that came with the restore stay.
 */
export async function canSwap(places: RestorePlaces, target: string): Promise<boolean> {
  return (await findReservedIn(target, await places.excludedPaths())) === undefined
}

/** Puts a safety recovery point in the place of what is there, which is not kept: it failed, or is wanted no more. */
export async function restoreSafetyAt(
  places: RestorePlaces,
  { run, source: name, kind, target }: Subject,
  safety: NonNullable<JournalEntry['safety']>,
): Promise<void> {
  const context = { ...(await places.context()), signal: new AbortController().signal }
  const repository = await places.openRepository(safety.repository)
  const source = await places.openSourceAt(name, kind, target)
  const keepAs = `replaced-${run.slice(0, 8)}`
  const swaps = await canSwap(places, target)
  await restore({
    ...context,
    repository,
    snapshot: await repository.getSnapshot(safety.snapshot),
    source,
    target,
    force: true,
    delta: !swaps,
    checks: true,
    include: [],
    keepAs: swaps ? keepAs : undefined,
  })
  if (swaps) await source.targets.dropKept({ ...context, target, keptAs: keepAs })
}
