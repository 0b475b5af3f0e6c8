import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { systemCode } from '../../base/errors.ts'
import type { FileAssertion } from '../../model/assertion.ts'
import type { RestoredCopy } from '../../sources/source.ts'
import type { Asserted } from './asserted.ts'

export async function assertFile(assertion: FileAssertion, copy: RestoredCopy): Promise<Asserted> {
  const { exists, sha256, minBytes } = assertion
  const expected = [
    'there',
    ...(minBytes === undefined ? [] : [`at least ${minBytes} bytes`]),
    ...(sha256 === undefined ? [] : [`SHA-256 ${sha256}`]),
  ].join(', ')
  const found = await look(exists, copy, sha256 !== undefined)
  if (typeof found === 'string') return { passed: false, expected, found }
  if (minBytes !== undefined && found.sizeBytes < minBytes) {
    return { passed: false, expected, found: `there, ${found.sizeBytes} bytes` }
  }
  const passed = sha256 === undefined || found.sha256 === sha256
  return {
    passed,
    expected,
    found: passed ? expected : `there, ${found.sha256 === undefined ? 'but no file' : `SHA-256 ${found.sha256}`}`,
  }
}

interface Found {
  readonly sizeBytes: number
  readonly sha256: string | undefined
}

/** Why there is nothing to look at, in words, or what there is. */
async function look(path: string, copy: RestoredCopy, hash: boolean): Promise<Found | string> {
  if (copy.path === undefined) return 'no folder'
  try {
    const root = await realpath(copy.path)
    const place = await realpath(join(root, path))
    // A link may lead to what lies on this machine anyway, and that proves nothing of the backup.
    if (place !== root && !place.startsWith(root + sep)) return 'a link that leads out of the folder'
    const facts = await stat(place)
    return { sizeBytes: facts.size, sha256: hash && facts.isFile() ? await hashOf(place) : undefined }
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'not there'
    throw error
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Buffer)
  return hash.digest('hex')
}
