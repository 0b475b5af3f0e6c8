import type { RestoreOutcome, RestoreRequest } from '../../source.ts'
import type { PostgresOptions } from '../options.ts'
import { restoreFolder } from './restore-folder.ts'

export async function restoreLogical(request: RestoreRequest, _options: PostgresOptions): Promise<RestoreOutcome> {
  return await restoreFolder(request)
}
