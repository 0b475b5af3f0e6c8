import { AppError } from '../../base/errors.ts'
import type { LogFileName, LogId } from '../../model/log.ts'

/** Finished files are never changed: storages may lock this folder. */
export const FINISHED = 'logs/'
/** Unfinished files are replaced and removed: this folder must not be locked. */
export const UNFINISHED = 'logs-unfinished/'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const KIND = /^[a-z][a-z0-9-]*$/

/** `logs/<kind>/<id>/<name>`. Throws `usage` for a name that is no name of a file. */
export function keyOf(log: LogId, { name, unfinished }: LogFileName): string {
  if (!NAME.test(name)) throw new AppError('usage', `not a log file's name: ${JSON.stringify(name)}`)
  return `${unfinished ? UNFINISHED : FINISHED}${folderOf(log)}${encode(name)}`
}

/** Of a log, below one of the two. Ends in '/'. */
export function folderOf({ kind, id }: LogId): string {
  if (!KIND.test(kind) || !NAME.test(id)) {
    throw new AppError('usage', `not a log's id: ${JSON.stringify(`${kind}/${id}`)}`)
  }
  return `${kind}/${encode(id)}/`
}

/** What an object is; undefined when it is none of ours. */
export function parseKey(key: string): { readonly log: LogId; readonly file: LogFileName } | undefined {
  const [root = '', kind = '', folder = '', last = '', ...more] = key.split('/')
  const log = { kind, id: decode(folder) }
  const file = { name: decode(last), unfinished: `${root}/` === UNFINISHED }
  const isOurs = more.length === 0 && KIND.test(kind) && NAME.test(log.id) && NAME.test(file.name)
  return isOurs && keyOf(log, file) === key ? { log, file } : undefined
}

/** File systems and servers may not tell upper case from lower: `A` is `_a`, and `_` is `__`. */
function encode(name: string): string {
  return name.replaceAll(/[A-Z_]/g, char => `_${char.toLowerCase()}`)
}

function decode(text: string): string {
  return text.replaceAll(/_([a-z_])/g, (_, char: string) => char.toUpperCase())
}
