import { lstat } from 'node:fs/promises'
import type { Finding } from '../../model/finding.ts'
import { isEnded, type RestoreJournal } from './journal.ts'
import { URL_FORM } from './reserved.ts'

/** What restores are written to before they take their target's place. */
const PARTIAL = '.lifeboat-partial'

/**
 * Names what killed restores left beside their targets. It is not removed: the same restore goes on with it, and it may
 * be most of a night's work.
 */
export async function findLeftovers(journal: RestoreJournal): Promise<Finding[]> {
  const entries = await journal.list()
  // Of one that has not ended there is more to say.
  const busy = new Set(entries.filter(entry => !isEnded(entry)).map(({ target }) => target))
  const targets = new Set(entries.map(({ target }) => target).filter(target => !URL_FORM.test(target)))
  const left: Finding[] = []
  for (const target of targets) {
    const path = target + PARTIAL
    if (!busy.has(target) && (await isThere(path))) left.push(leftover(target, path))
  }
  return left
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  )
}

function leftover(target: string, path: string): Finding {
  return {
    severity: 'warning',
    code: 'restore-leftover',
    subject: path,
    message: `a restore into ${target} that was cut off left it`,
    hint: 'Run the restore again: it goes on with it, or removes it. Or remove it yourself; nothing else uses it.',
  }
}
