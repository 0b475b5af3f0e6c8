import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, systemCode } from '../../../base/errors.ts'
import { systemIdentifierOf } from './log/wal.ts'

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

/** The system identifier of a data directory, decimal; undefined where there is no control file. */
export async function readSystemIdentifier(dataDir: string): Promise<string | undefined> {
  try {
    return systemIdentifierOf(await readFile(join(dataDir, CONTROL_FILE)))
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
