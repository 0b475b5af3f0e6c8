import type { NodeMeta } from '../../../../model/node.ts'
import type { CaptureEntry } from '../../../source.ts'
import type { TarMember } from './tar-stream.ts'

/** What a snapshot keeps of a member of the server's tar archives. */
export function memberMeta(member: TarMember): NodeMeta {
  return {
    type: member.type === 'dir' ? 'dir' : 'file',
    mode: member.mode,
    mtimeNs: BigInt(member.modifiedAt) * 1_000_000_000n,
    uid: member.uid,
    gid: member.gid,
  }
}

export function folderEntry(member: TarMember): CaptureEntry {
  return { path: member.name, meta: { ...memberMeta(member), type: 'dir' } }
}

/** Of a folder that only what lies in it tells. */
export function folderMeta(member: TarMember): NodeMeta {
  return { ...memberMeta(member), type: 'dir', mode: (member.mode & 0o040) !== 0 ? 0o750 : 0o700 }
}

/** `pg_wal`, and `archive_status` and (from PostgreSQL 17 on) `summaries` in it: empty, they come long before the log. */
export function isWalFolder({ name, type }: TarMember): boolean {
  return name === 'pg_wal' || (type === 'dir' && name.startsWith('pg_wal/'))
}
