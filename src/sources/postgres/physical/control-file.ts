import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, systemCode } from '../../../base/errors.ts'

export const CONTROL_FILE = 'global/pg_control'

const CONTROL_BYTES = 8192
const READS = 20

/** The control file of a running server; read until two reads agree, since it may be written meanwhile. */
export async function readControlFile(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, CONTROL_FILE)
  let before = await readFile(path)
  for (let read = 1; read < READS; read++) {
    const again = await readFile(path)
    if (again.equals(before) && again.length === CONTROL_BYTES) return again
    before = again
  }
  throw new AppError('source-busy', `the control file of ${dataDir} changes at every look`, {
    hint: 'Run the backup again.',
  })
}

/**
 * The system identifier in the control file of a data directory, decimal: its first eight bytes in every version of
 * PostgreSQL, in this machine's byte order. Undefined where there is no control file.
 */
export async function readSystemIdentifier(dataDir: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(join(dataDir, CONTROL_FILE))
    return bytes.length < 8 ? undefined : bytes.readBigUInt64LE(0).toString()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
