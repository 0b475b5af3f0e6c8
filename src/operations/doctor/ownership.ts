import { findStrangersFiles } from '../../base/folder-owner.ts'
import type { DoctorCheck } from './doctor-check.ts'

export interface OwnedFolder {
  readonly what: string
  readonly path: string
}

/** Files that root, or another user, left in a folder lock its owner out: the next backup fails on one of them. */
export async function checkOwnership({ what, path }: OwnedFolder): Promise<DoctorCheck[]> {
  // What is not there, or may not be looked at, shows elsewhere.
  const found = await findStrangersFiles(path).catch(() => undefined)
  if (found === undefined) return []
  const { count, example, owner } = found
  const files = count === 1 ? '1 entry belongs' : `${count} entries belong`
  return [
    {
      area: 'permissions',
      name: what,
      status: 'warning',
      message: `${files} to another user than ${path} itself, such as ${example}`,
      hint: `As root run: chown -R ${owner.uid}:${owner.gid} ${quoted(path)}`,
    },
  ]
}

function quoted(path: string): string {
  return /^[\w./+@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
