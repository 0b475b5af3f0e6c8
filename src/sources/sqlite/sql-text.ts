import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, rm, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { NodeMeta } from '../../model/node.ts'
import type { RestoredBytes, RestoreRequest, SnapshotEntry } from '../source.ts'
import { createPrivate } from './restore-file.ts'
import { Session } from './session.ts'
import type { SqlPart } from './sql-capture.ts'

/** Schema or rows of a database, as SQL. */
export interface SqlText {
  /** Under which name it goes into a folder. */
  readonly name: string
  readonly meta: NodeMeta
  /** To a file that exists. */
  writeTo(path: string): Promise<RestoredBytes>
  read(): AsyncIterable<Buffer>
}

/** As a backup of type `schema` or `data` holds it. */
export function storedText({ snapshot }: RestoreRequest, { path, node }: SnapshotEntry): SqlText {
  return {
    name: path,
    meta: node,
    writeTo: target => snapshot.restoreFiles([{ node, path: target, delta: false }]),
    read: () => snapshot.read(node),
  }
}

/** Taken from a whole database, which is brought back to a private place for it. */
export async function textOfWhole(request: RestoreRequest, entry: SnapshotEntry, part: SqlPart): Promise<SqlText> {
  const file = join(request.scratchDir, `${part}.sql`)
  await dumpTo(file, request, entry, part)
  return {
    name: `${basename(entry.path, extname(entry.path))}.${part}.sql`,
    meta: entry.node,
    writeTo: async target => {
      await copyFile(file, target)
      const { size } = await stat(target)
      return { totalBytes: size, writtenBytes: size }
    },
    read: () => createReadStream(file),
  }
}

async function dumpTo(file: string, request: RestoreRequest, entry: SnapshotEntry, part: SqlPart): Promise<void> {
  const staged = join(request.scratchDir, 'staged.db')
  await createPrivate(staged)
  const session = new Session(request.signal)
  try {
    await request.snapshot.restoreFiles([{ node: entry.node, path: staged, delta: false }])
    await session.call('openPrivate', { path: staged })
    await pipeline(pieces(session, part), createWriteStream(file, { mode: 0o600 }))
  } finally {
    await session.close()
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(staged + end, { force: true })
  }
}

async function* pieces(session: Session, part: SqlPart): AsyncGenerator<Uint8Array> {
  for (;;) {
    const piece = await session.call('dump', { part })
    if (piece.length === 0) return
    yield piece
  }
}
