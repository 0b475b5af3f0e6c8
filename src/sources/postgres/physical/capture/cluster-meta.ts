import { createHash } from 'node:crypto'
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { encodeName } from '../../../../base/bytes.ts'
import { AppError, messageOf, systemCode } from '../../../../base/errors.ts'
import type { NodeMeta } from '../../../../model/node.ts'
import type { Content } from '../../../source.ts'
import type { ManifestedFile } from '../verify/backup-manifest.ts'
import { recycledError } from '../wal-files.ts'
import { ClusterFile } from './cluster-file.ts'

const SAFE_READ = constants.O_RDONLY | constants.O_NOFOLLOW

export function metaOf(stats: BigIntStats): NodeMeta {
  return {
    type: stats.isDirectory() ? 'dir' : 'file',
    mode: Number(stats.mode & 0o7777n),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    inode: stats.ino,
  }
}

/** For a file that we add to the cluster's: owned like its folder. */
export function ownFileMeta(folder: NodeMeta, time: Date): NodeMeta {
  const mode = folder.mode & 0o040 ? 0o640 : 0o600
  return { type: 'file', mode, mtimeNs: BigInt(time.getTime()) * 1_000_000n, uid: folder.uid, gid: folder.gid }
}

export function manifestedBuffer(path: string, bytes: Uint8Array, meta: NodeMeta): ManifestedFile {
  return {
    path,
    sizeBytes: bytes.length,
    modifiedAt: new Date(Number(meta.mtimeNs / 1_000_000n)),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
}

/**
 * Opens a file of a running cluster. One that is gone since the folder was listed was dropped, and the log says so too:
 * it is left out (`entry-lost`) without a finding.
 */
export async function openClusterFile(absolute: string, path: string): Promise<FileHandle> {
  try {
    return await open(encodeName(absolute), SAFE_READ)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw new AppError('entry-lost', `file was dropped: ${path}`, { cause: error })
    throw new AppError('source-unreachable', `cannot read ${path}: ${messageOf(error)}`, {
      hint: 'Run Lifeboat as the user that owns the data directory.',
      cause: error,
    })
  }
}

/** A log segment. Without a slot the server may recycle it while it is read: then it is another file at the end. */
export async function openWalFile(name: string, absolute: string): Promise<Content> {
  const file = await open(absolute, SAFE_READ).catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? recycledError(name) : error
  })
  const opened = await file.stat({ bigint: true })
  const inner = new ClusterFile(file, {
    path: `pg_wal/${name}`,
    sizeBytes: Number(opened.size),
    verifier: undefined,
    hashed: false,
    onRead: undefined,
  })
  return {
    sizeBytes: inner.sizeBytes,
    cut: inner.cut,
    read: into => inner.read(into),
    close: async () => {
      await inner.close()
      const now = await stat(absolute, { bigint: true }).catch(() => undefined)
      if (now?.ino !== opened.ino) throw recycledError(name)
    },
  }
}
