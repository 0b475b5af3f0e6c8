import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './errors.ts'

/**
 * Makes a folder and those above it that are missing; gives the first that it made, undefined when all were there. Not
 * Node's `recursive`, which tries for ever where the parent exists and the system says ENOENT all the same: below /proc,
 * or through a link to a disk that is not mounted. `encode`: for paths that are not text.
 */
export async function makeFolders(
  path: string,
  mode = 0o777,
  encode: (path: string) => string | Buffer = same => same,
): Promise<string | undefined> {
  const missing: string[] = []
  let first: string | undefined
  for (let at = path; ; at = dirname(at)) {
    const outcome = await makeOne(encode(at), mode)
    if (outcome === 'made') first = at
    if (outcome !== 'no parent') break
    if (at === dirname(at)) throw noEntry(path)
    missing.push(at)
  }
  for (const folder of missing.toReversed()) {
    // Above it all is there by now.
    const outcome = await makeOne(encode(folder), mode)
    if (outcome === 'no parent') throw noEntry(folder)
    if (outcome === 'made') first ??= folder
  }
  return first
}

async function makeOne(path: string | Buffer, mode: number): Promise<'made' | 'there' | 'no parent'> {
  try {
    await mkdir(path, { mode })
    return 'made'
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'no parent'
    // Some systems say of a folder that is there that they are read-only, or that it may not be made.
    const isThere = await stat(path).then(
      found => found.isDirectory(),
      () => false,
    )
    if (isThere) return 'there'
    throw error
  }
}

function noEntry(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, mkdir '${path}'`), { code: 'ENOENT' })
}
