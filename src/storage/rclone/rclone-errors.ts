import { type RcloneClient, RcloneFailure } from '../../clients/rclone/index.ts'
import { RestRefusal, restError } from '../rest-errors.ts'
import { type FailedCall, storageError } from '../storage-error.ts'

const FULL = /quota|no space left|insufficient storage|not enough (free )?space|storage (cap|limit)/i
const DENIED =
  /\b(access ?denied|permission denied|forbidden|unauthorized|401|403|invalid_grant|signaturedoesnotmatch)\b/i

/** Whatever a call threw, in the words of all storages; of rclone's own failures with what it wrote about the object. */
export async function rcloneError(
  call: FailedCall,
  error: unknown,
  place: string,
  client: Pick<RcloneClient, 'linesAbout'>,
): Promise<unknown> {
  if (error instanceof RcloneFailure) return ended(call, error, place)
  if (!(error instanceof RestRefusal) || error.status < 500) return restError(call, error)
  const [line] = await client.linesAbout(call.key.split('/').findLast(part => part !== '') ?? call.key)
  if (line === undefined) return restError(call, error)
  const reason = `rclone says: ${line}`
  if (FULL.test(line)) return storageError('storage-full', call, { reason, cause: error })
  if (DENIED.test(line)) return storageError('storage-denied', call, { reason, hint: tryHint(place), cause: error })
  return storageError('storage-failed', call, { reason, hint: tryHint(place), cause: error })
}

function ended(call: FailedCall, error: RcloneFailure, place: string): unknown {
  if (error.problem === 'ended') return storageError('storage-failed', call, { reason: error.message, cause: error })
  const hint = /didn't find section/i.test(error.message)
    ? 'Make the remote with "rclone config", or correct its name: "rclone listremotes" shows all. Another configuration file is named by RCLONE_CONFIG.'
    : tryHint(place)
  return storageError('storage-denied', call, { reason: error.message, hint, cause: error })
}

function tryHint(place: string): string {
  return `See whether rclone itself reaches it: rclone lsd '${place.replaceAll("'", String.raw`'\''`)}'`
}
