import type { Written } from '../../sources/source.ts'
import { counted } from '../report/wording.ts'

const SHOWN = 8

/** `since the restore, 12 rows were written in 2 tables: public.orders 10, public.users 2` */
export function describeWritten(written: readonly Written[]): string {
  const [first] = written
  if (written.length === 1 && first?.name === 'files') {
    const missing = first.gone ? `, ${counted(first.gone, 'file')} removed` : ''
    return `since the restore, ${wereWritten(first.written ?? 0, 'file')}${missing}`
  }
  const where = namesOf(written)
  // What has the same number of rows as before may still hold others.
  if (written.every(each => each.written === undefined)) return `since the restore, something was written to ${where}`
  const rows = written.reduce((sum, each) => sum + (each.written ?? 0), 0)
  const gone = written.reduce((sum, each) => sum + (each.gone ?? 0), 0)
  const changed = gone === 0 ? '' : ` (${counted(gone, 'row')} of the restored ones are changed or gone)`
  return `since the restore, ${wereWritten(rows, 'row')} in ${counted(written.length, 'table')}${changed}: ${where}`
}

function namesOf(written: readonly Written[]): string {
  const more = written.length > SHOWN ? `, and ${written.length - SHOWN} more` : ''
  return `${written.slice(0, SHOWN).map(partOf).join(', ')}${more}`
}

const wereWritten = (count: number, what: string): string =>
  `${counted(count, what)} ${count === 1 ? 'was' : 'were'} written`

function partOf({ name, written, gone = 0 }: Written): string {
  if (written === undefined) return `${name} (not counted)`
  return gone === 0 ? `${name} ${written}` : `${name} ${written} (-${gone})`
}
