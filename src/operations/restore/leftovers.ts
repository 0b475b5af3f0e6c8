import { realPathOf } from '../../base/real-path.ts'
import type { Finding } from '../../model/finding.ts'
import { findLeftovers as findLeftoversAt } from '../../sources/leftovers.ts'
import { isEnded, type RestoreJournal } from './journal.ts'
import { URL_FORM } from './reserved.ts'

/** Names what killed restores left where restores went, and at `own`, the places of the configured sources. */
export async function findLeftovers(journal: RestoreJournal, own: readonly string[]): Promise<Finding[]> {
  const entries = await journal.list()
  // Of one that has not ended there is more to say.
  const busy = new Set(entries.filter(entry => !isEnded(entry)).map(({ target }) => target))
  // As the journal has them: a link to a folder is not a place of its own.
  const real = await Promise.all(own.filter(place => !URL_FORM.test(place)).map(realPathOf))
  const places = [...real, ...entries.map(({ target }) => target)]
  return await findLeftoversAt({
    places: places.filter(place => !URL_FORM.test(place) && !busy.has(place)),
    known: new Set(entries.flatMap(({ kept }) => kept.map(each => each.kept))),
  })
}
