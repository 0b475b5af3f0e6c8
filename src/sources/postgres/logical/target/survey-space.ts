import { readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { formatSize } from '../../../../base/sizes.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { TargetRequest } from '../../../target.ts'

/** The server notes its start in its pid file a little before it counts itself as started. */
const START_SLACK_MS = 20_000

/** SQL does not tell how much room a server has. It can be seen where its data directory is on this machine, and ours to read. */
export async function surveySpace(admin: Session, { coming }: TargetRequest): Promise<Finding[]> {
  const databases = coming?.manifest?.database?.databases
  const needed = databases?.reduce((sum, each) => sum + each.sizeBytes, 0) ?? coming?.sizeBytes
  if (needed === undefined) return []
  const dataDir = await ownDirectory(admin)
  if (dataDir === undefined) return []
  const { bavail, bsize } = await statfs(dataDir)
  if (needed <= bavail * bsize) return []
  return [
    {
      severity: 'error',
      code: 'target-no-space',
      subject: dataDir,
      message: `${formatSize(needed)} are to be written beside what is there, ${formatSize(bavail * bsize)} are free`,
      hint: 'Free some space on the disk of the server.',
    },
  ]
}

/** The server's data directory, if what has that path on this machine is it. */
async function ownDirectory(admin: Session): Promise<string | undefined> {
  const [row] = await admin.query<{ dir: string | null; started: number }>(
    `SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS dir,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started`,
  )
  if (!row?.dir) return undefined
  const pidFile = await readFile(join(row.dir, 'postmaster.pid'), 'utf8').catch(() => '')
  const apartMs = Math.abs(Number(pidFile.split('\n')[2]) - row.started) * 1000
  return apartMs <= START_SLACK_MS ? row.dir : undefined
}
