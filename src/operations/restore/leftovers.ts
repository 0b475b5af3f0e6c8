import { lstat, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { realPathOf } from '../../base/real-path.ts'
import type { Finding } from '../../model/finding.ts'
import { RESTORE_MARKER } from '../../model/restore-marker.ts'
import { isEnded, type RestoreJournal } from './journal.ts'
import { URL_FORM } from './reserved.ts'

interface Left {
  /** What follows the name of the place. */
  readonly end: RegExp
  readonly what: string
  readonly hint: string
}

const UNUSED = 'Where no restore is running, nothing uses it: remove it.'

/** What restores write beside a place and remove themselves, unless they are killed or fail. */
const LEFT: readonly Left[] = [
  {
    end: /^\.lifeboat-partial$/,
    what: 'a restore that was cut off left it',
    hint: 'Run the restore again: it goes on with it, or removes it. Or remove it yourself; nothing else uses it.',
  },
  { end: /^\.lifeboat-failed$/, what: 'a restored database that failed its checks', hint: UNUSED },
  { end: /\.lifeboat-copy$/, what: 'an unfinished copy of what a restore kept', hint: UNUSED },
  { end: /^\.lifeboat-(stand-in|replaced)$/, what: 'a restore that was cut off did not remove it', hint: UNUSED },
  {
    end: /^(-wal|-shm|-journal)?\.lifeboat-old$/,
    what: 'what lay beside a database that is gone, or was replaced',
    hint: UNUSED,
  },
  {
    end: /^\.(before|taken-back)-(\d{8}-\d{6}-)?[0-9a-f]{8}(-came)?$/,
    what: 'an earlier state that a restore kept, and that no "lifeboat undo" knows of',
    hint: 'Take from it what you need, then remove it.',
  },
]

/**
 * Names what restores left where they went, and at `own`, the places of the configured sources: beside them and in them.
 * Nothing is removed: it may be most of a night's work, or the only copy of what an application wrote.
 */
export async function findLeftovers(journal: RestoreJournal, own: readonly string[]): Promise<Finding[]> {
  const entries = await journal.list()
  // Of one that has not ended there is more to say.
  const busy = new Set(entries.filter(entry => !isEnded(entry)).map(({ target }) => target))
  const known = new Set(entries.flatMap(({ kept }) => kept.map(each => each.kept)))
  // As the journal has them: a link to a folder is not a place of its own.
  const real = await Promise.all(own.filter(place => !URL_FORM.test(place)).map(realPathOf))
  const places = [...real, ...entries.map(({ target }) => target)]
  const left = await findAt(places.filter(place => !URL_FORM.test(place) && !busy.has(place)))
  return left.filter(({ subject }) => !known.has(subject))
}

async function findAt(places: readonly string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const [folder, own] of Map.groupBy(new Set(places), place => dirname(place))) {
    // Where nothing can be listed, nothing was restored.
    const names: string[] = await readdir(folder).catch(() => [])
    names.sort()
    for (const place of own) {
      found.push(...names.flatMap(name => leftBeside(place, name)), ...(await leftIn(place)))
    }
  }
  return found
}

function leftBeside(place: string, name: string): Finding[] {
  if (!name.startsWith(basename(place))) return []
  const kind = LEFT.find(({ end }) => end.test(name.slice(basename(place).length)))
  return kind === undefined ? [] : [leftover(join(dirname(place), name), kind)]
}

/** Lies in a folder from the first to the last moment of its restore. */
async function leftIn(place: string): Promise<Finding[]> {
  const marker = join(place, RESTORE_MARKER)
  if ((await lstat(marker).catch(() => undefined)) === undefined) return []
  const what = 'a restore into this folder was cut off: files may be missing'
  return [leftover(marker, { what, hint: 'Start the restore again; or remove it if the folder is as it should be.' })]
}

function leftover(subject: string, { what, hint }: Pick<Left, 'what' | 'hint'>): Finding {
  return { severity: 'warning', code: 'restore-leftover', subject, message: what, hint }
}
