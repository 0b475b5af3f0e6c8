import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Finding } from '../../model/finding.ts'

/** Endings of files that restores write beside a database and remove themselves, unless they are killed or fail. */
const LEFT: ReadonlyArray<{ readonly end: RegExp; readonly what: string }> = [
  {
    end: /^\.lifeboat-partial$/,
    what: 'what a restore that was interrupted had written; the next restore to the same place goes on with it',
  },
  { end: /^\.lifeboat-failed$/, what: 'a restored database that failed its checks' },
  { end: /\.lifeboat-copy$/, what: 'an unfinished copy of what a restore kept' },
  { end: /^(-wal|-shm|-journal)?\.lifeboat-old$/, what: 'what lay beside a database that is gone, or was replaced' },
]

/** Names what restores left beside a database, for a person to remove: nobody else knows whether it is still wanted. */
export async function findLeftovers(path: string): Promise<Finding[]> {
  const names = await readdir(dirname(path)).catch(() => [])
  const own = names.filter(name => name.startsWith(basename(path))).toSorted()
  return own.flatMap(name => {
    const kind = LEFT.find(({ end }) => end.test(name.slice(basename(path).length)))
    if (kind === undefined) return []
    const subject = join(dirname(path), name)
    const hint = `Where no restore is running, remove it: rm ${subject}`
    return [{ severity: 'info' as const, code: 'restore-leftover', subject, message: kind.what, hint }]
  })
}
