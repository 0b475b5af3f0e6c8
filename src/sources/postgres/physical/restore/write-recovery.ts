import { chown, lstat, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../../../base/errors.ts'
import type { RecoveryRequest } from '../../../source.ts'
import { withRecoverySettings } from './recovery-settings.ts'

/** Tells a restored data directory how far to recover; nothing more than the backup's own log when undefined. */
export async function writeRecovery(dataDir: string, recovery: RecoveryRequest | undefined): Promise<void> {
  const auto = join(dataDir, 'postgresql.auto.conf')
  const before = await readFile(auto, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  const text = withRecoverySettings(before, recovery)
  if (text !== before) await writeOwned(auto, text)
  if (recovery !== undefined) await writeOwned(join(dataDir, 'recovery.signal'), '')
}

/** Writes a file of a data directory; root gives it to the directory's owner. */
export async function writeOwned(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  if (process.getuid?.() !== 0) return
  const owner = await lstat(join(path, '..', 'PG_VERSION'))
  await chown(path, owner.uid, owner.gid)
}
