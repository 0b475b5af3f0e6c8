import type { Id } from '../../model/node.ts'
import type { Snapshot, SnapshotSummary } from '../contract/snapshot.ts'
import type { NewSnapshot } from '../contract/writing.ts'
import { goJson, JsonObject, parseJson } from './json.ts'
import { formatDate, parseDate } from './time.ts'

export function parseSnapshot(bytes: Uint8Array, id: Id, subject: string): Snapshot {
  return readSnapshot(parseJson(bytes, subject), id, subject)
}

/** @param json a snapshot file's JSON, parsed and nothing more */
export function readSnapshot(json: unknown, id: Id, subject: string): Snapshot {
  const fields = new JsonObject(json, subject)
  const summary = fields.optionalObject('summary')
  const optional = {
    uid: fields.optionalCount('uid', 2 ** 32),
    gid: fields.optionalCount('gid', 2 ** 32),
    excludes: fields.raw('excludes') === undefined ? undefined : fields.texts('excludes'),
    parent: fields.optionalId('parent'),
    original: fields.optionalId('original'),
    programVersion: fields.optionalText('program_version'),
    summary: summary && parseSummary(summary),
  }
  return {
    id,
    time: parseDate(fields.text('time'), subject),
    tree: fields.id('tree'),
    paths: fields.texts('paths'),
    hostname: fields.optionalText('hostname') ?? '',
    username: fields.optionalText('username') ?? '',
    tags: fields.texts('tags'),
    ...defined(optional),
  }
}

/** The file's plaintext. Field order and the rule that empty fields are left out are restic's. */
export function formatSnapshot(snapshot: NewSnapshot): Buffer {
  return Buffer.from(
    goJson({
      time: formatDate(snapshot.time),
      parent: snapshot.parent,
      tree: snapshot.tree,
      paths: snapshot.paths,
      hostname: snapshot.hostname || undefined,
      username: snapshot.username || undefined,
      uid: snapshot.uid || undefined,
      gid: snapshot.gid || undefined,
      excludes: nonEmpty(snapshot.excludes),
      tags: nonEmpty(snapshot.tags),
      original: snapshot.original,
      program_version: snapshot.programVersion || undefined,
      summary: snapshot.summary && summaryFields(snapshot.summary),
    }),
  )
}

function parseSummary(fields: JsonObject): SnapshotSummary {
  const count = (key: string): number => fields.optionalCount(key) ?? 0
  return {
    backupStart: parseDate(fields.text('backup_start'), fields.subject),
    backupEnd: parseDate(fields.text('backup_end'), fields.subject),
    filesNew: count('files_new'),
    filesChanged: count('files_changed'),
    filesUnmodified: count('files_unmodified'),
    dirsNew: count('dirs_new'),
    dirsChanged: count('dirs_changed'),
    dirsUnmodified: count('dirs_unmodified'),
    dataBlobs: count('data_blobs'),
    treeBlobs: count('tree_blobs'),
    dataAdded: count('data_added'),
    dataAddedPacked: count('data_added_packed'),
    totalFilesProcessed: count('total_files_processed'),
    totalBytesProcessed: count('total_bytes_processed'),
  }
}

function summaryFields(summary: SnapshotSummary): Record<string, string | number> {
  return {
    backup_start: formatDate(summary.backupStart),
    backup_end: formatDate(summary.backupEnd),
    files_new: summary.filesNew,
    files_changed: summary.filesChanged,
    files_unmodified: summary.filesUnmodified,
    dirs_new: summary.dirsNew,
    dirs_changed: summary.dirsChanged,
    dirs_unmodified: summary.dirsUnmodified,
    data_blobs: summary.dataBlobs,
    tree_blobs: summary.treeBlobs,
    data_added: summary.dataAdded,
    data_added_packed: summary.dataAddedPacked,
    total_files_processed: summary.totalFilesProcessed,
    total_bytes_processed: summary.totalBytesProcessed,
  }
}

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function defined<T extends object>(fields: T): Defined<T> {
  const kept: Partial<T> = {}
  for (const key in fields) if (fields[key] !== undefined) kept[key] = fields[key]
  return kept as Defined<T>
}
