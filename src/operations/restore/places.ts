import type { Finding } from '../../model/finding.ts'
import type { Host } from '../../model/host.ts'
import type { Repository } from '../../repository/index.ts'
import type { ChangedTables, SnapshotReader, Source, SourceContext } from '../../sources/source.ts'
import type { BackupResult } from '../backup/backup.ts'
import type { Hooks } from '../hooks/run-hook.ts'
import { changesPath } from './changed-paths.ts'
import type { JournalEntry, RestoreJournal } from './journal.ts'
import { findReservedIn } from './reserved.ts'
import { type RestoreOperationRequest, restore } from './restore.ts'
import { type ChangesPath, changesAll, takeSafetyPoint } from './safety.ts'
import { openSnapshotReader } from './snapshot-reader.ts'
import { swapAccessOf, swaps } from './swapping.ts'
import type { DropIf, PutBack } from './take-back.ts'

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

type Subject = Pick<JournalEntry, 'run' | 'source' | 'kind' | 'target' | 'repository' | 'snapshot'>

/** What of a target is about to change; default all of it. */
export interface ChangedPart {
  readonly changes?: ChangesPath | undefined
  readonly tables?: ChangedTables | undefined
}

/** A recovery point of what is at the target now; of some tables alone where nothing else is about to change. */
export async function takeSafetyAt(
  places: RestorePlaces,
  subject: Subject,
  { changes = changesAll, tables }: ChangedPart = {},
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
    tables: tables?.changed,
  })
}

/**
 * How a safety recovery point goes back: in one step, where the source can and no repository or own state of ours lies in
 * the folder. Else only what differs is written, and files that came with the restore stay.
 */
export async function canSwap(places: RestorePlaces, source: Source, target: string): Promise<boolean> {
  return swaps(source) && (await findReservedIn(target, await places.excludedPaths())) === undefined
}

export type SafeState = Pick<JournalEntry, 'safety' | 'tables' | 'files'>

/** Puts back what was changed: tables, what was written into a folder, or else all. */
export async function restoreSafetyAt(
  places: RestorePlaces,
  subject: Subject,
  { safety, tables, files }: SafeState,
  { dropIf }: { readonly dropIf: DropIf },
): Promise<PutBack> {
  if (tables !== undefined) return await takeTablesBackAt(places, subject, { safety, tables })
  if (safety === undefined) throw new Error('there is no safety recovery point to put back')
  if (files !== undefined) return await takeFilesBackAt(places, subject, safety, files)
  const { run, source: name, kind, target } = subject
  const context = { ...(await places.context()), signal: new AbortController().signal }
  const repository = await places.openRepository(safety.repository)
  const source = await places.openSourceAt(name, kind, target)
  const keepAs = `taken-back-${run.slice(0, 8)}`
  const inOneStep = await canSwap(places, source, target)
  let last: string | undefined
  const { kept = [] } = await restore({
    ...context,
    repository,
    snapshot: await repository.getSnapshot(safety.snapshot),
    source,
    target,
    force: true,
    delta: !inOneStep,
    checks: true,
    include: [],
    keepAs: inOneStep ? keepAs : undefined,
    lastLook: async state => {
      last = state
      return true
    },
  })
  if (!inOneStep || !dropIf(last)) return { kept, findings: [] }
  await swapAccessOf(source).dropKept({ ...context, target, keptAs: keepAs })
  return { kept: [], findings: [] }
}

/** What of a restore takes a change of rows back: the tables get their rows again, and what it made goes. */
export async function tablesBackRequest(
  places: RestorePlaces,
  { repository, snapshot }: Pick<JournalEntry, 'repository' | 'snapshot'>,
  { safety, tables }: Pick<SafeState, 'safety' | 'tables'>,
): Promise<Pick<RestoreOperationRequest, 'repository' | 'snapshot' | 'selection' | 'takeAway'>> {
  // Where no row changed there is no safety point: of the recovery point itself nothing is taken.
  const from = safety ?? { repository, snapshot }
  const opened = await places.openRepository(from.repository)
  return {
    repository: opened,
    snapshot: await opened.getSnapshot(from.snapshot),
    selection: { tables: tables?.changed ?? [] },
    takeAway: tables?.created ?? [],
  }
}

/** The application may have written since: what is overwritten is made safe too, for a person to look at. */
async function takeTablesBackAt(
  places: RestorePlaces,
  subject: Subject,
  state: Pick<SafeState, 'safety' | 'tables'>,
): Promise<PutBack> {
  const { source: name, kind, target } = subject
  const findings: Finding[] = []
  await restore({
    ...(await places.context()),
    signal: new AbortController().signal,
    ...(await tablesBackRequest(places, subject, state)),
    source: await places.openSourceAt(name, kind, target),
    target,
    force: true,
    delta: false,
    checks: true,
    include: [],
    beforeChange: async ({ hold, tables: announced }) => {
      const held = await hold?.()
      const tables = announced ?? held?.tables
      if (tables === undefined || tables.changed.length === 0) return
      findings.push(takenBackTo(await takeSafetyAt(places, subject, { tables }), subject))
    },
  })
  return { kept: [], findings }
}

type WrittenFiles = NonNullable<JournalEntry['files']>

/** What takes back what was written into a folder: that gets its content of before, and what was made goes. */
export async function filesBackRequest(
  places: RestorePlaces,
  safety: NonNullable<JournalEntry['safety']>,
  files: WrittenFiles,
): Promise<Pick<RestoreOperationRequest, 'repository' | 'snapshot' | 'include' | 'brought' | 'removed'>> {
  const repository = await places.openRepository(safety.repository)
  const snapshot = await repository.getSnapshot(safety.snapshot)
  return { repository, snapshot, ...(await openWritten(places, safety, files)) }
}

/** What a restore wrote into a folder, and what was there that it may have removed. */
export async function openWritten(
  places: RestorePlaces,
  safety: JournalEntry['safety'],
  files: WrittenFiles,
): Promise<Required<Pick<RestoreOperationRequest, 'include'>> & OpenedFiles> {
  const { signal } = await places.context()
  const repository = await places.openRepository(files.repository)
  const open = async (id: string): Promise<SnapshotReader> =>
    await openSnapshotReader({ contents: repository, snapshot: await repository.getSnapshot(id), signal })
  const removed = removedIn(files, safety)
  return {
    include: files.include,
    brought: await open(files.snapshot),
    removed: removed === undefined ? undefined : await open(removed),
  }
}

interface OpenedFiles {
  readonly brought: SnapshotReader
  readonly removed: SnapshotReader | undefined
}

/** The snapshot, in the repository of the restore, of what it removed. */
export function removedIn({ deletes, removed }: WrittenFiles, safety: JournalEntry['safety']): string | undefined {
  return removed ?? (deletes === true ? safety?.snapshot : undefined)
}

/** Of a folder that was written into, only what came is changed again. */
export async function changesOfFiles(
  places: RestorePlaces,
  files: WrittenFiles,
  safety: JournalEntry['safety'],
): Promise<ChangesPath> {
  const repository = await places.openRepository(files.repository)
  const removed = removedIn(files, safety)
  const ids = [files.snapshot, ...(removed === undefined ? [] : [removed])]
  const snapshots = await Promise.all(ids.map(id => repository.getSnapshot(id)))
  return async path => {
    for (const snapshot of snapshots) if (await changesPath(repository, snapshot, files.include, path)) return true
    return false
  }
}

/** As with tables, what is overwritten is made safe too; all else in the folder stays as it is. */
async function takeFilesBackAt(
  places: RestorePlaces,
  subject: Subject,
  safety: NonNullable<JournalEntry['safety']>,
  files: WrittenFiles,
): Promise<PutBack> {
  const { source: name, kind, target } = subject
  const changesFile = await changesOfFiles(places, files, safety)
  // That the folder as a whole is half restored is what is being mended: all that is there can be captured.
  const changes: ChangesPath = async (path, absent) => (path !== '' || absent) && (await changesFile(path, absent))
  const taken: Finding[] = []
  const { findings } = await restore({
    ...(await places.context()),
    signal: new AbortController().signal,
    ...(await filesBackRequest(places, safety, files)),
    source: await places.openSourceAt(name, kind, target),
    target,
    force: true,
    delta: true,
    checks: true,
    beforeChange: async () => {
      taken.push(takenBackTo(await takeSafetyAt(places, subject, { changes }), subject))
    },
  })
  return { kept: [], findings: [...taken, ...findings] }
}

/** Whether an application wrote meanwhile is not known: whoever knows that it did must find what it wrote. */
function takenBackTo({ snapshot: { id } }: BackupResult, { source, target }: Subject): Finding {
  const shortId = id.slice(0, 8)
  return {
    severity: 'info',
    code: 'taken-back-kept',
    subject: target,
    message: `what was taken back, and what an application wrote to it meanwhile, is snapshot ${shortId}`,
    hint: `To take from it what you need: lifeboat restore ${source} ${shortId} --to PLACE`,
  }
}
