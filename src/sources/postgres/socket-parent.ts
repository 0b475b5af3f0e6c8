import { tmpdir } from 'node:os'

/** A socket's path is at most 107 bytes, its name included. */
export const SOCKET_DIR_LIMIT_BYTES = 85

/** For a folder with a socket. TMPDIR may be longer than a socket's path can be. */
export function socketParent(): string {
  return Buffer.byteLength(tmpdir()) <= SOCKET_DIR_LIMIT_BYTES - 'lifeboat-query-XXXXXX/'.length ? tmpdir() : '/tmp'
}
