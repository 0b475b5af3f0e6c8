import { stat } from 'node:fs/promises'

/** A file that was written so shortly before it was read may have been written again since, within one tick of the clock. */
const FRESH_MS = 2000

/**
 * What is done ahead is good for this configuration, as it is now, and what was asked of it: two lines. Undefined while
 * the configuration is so fresh that it may not be what was read at `readAt`. `bin/lifeboat` makes the same lines.
 */
export async function notePlace(
  configFile: string,
  readAt: Date,
  asked: { readonly source?: string | undefined; readonly repo?: string | undefined },
): Promise<string | undefined> {
  const { ctimeMs } = await stat(configFile)
  if (ctimeMs > readAt.getTime() - FRESH_MS) return undefined
  return `source=${asked.source ?? ''} repo=${asked.repo ?? ''}\n${await fileState(configFile)}`
}

/** A file's identity, size and times in one line; as `stat -L -c '%d %i %s %.9Y %.9Z'` prints it. */
export async function fileState(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  return `${dev} ${ino} ${size} ${seconds(mtimeNs)} ${seconds(ctimeNs)}`
}

function seconds(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`
}
