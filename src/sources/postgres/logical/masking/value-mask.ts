import type { ValueType } from '../../../../model/masking/maskable.ts'
import { createMasker, type Masker } from '../../../../model/masking/maskers.ts'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'

/** The new value of a field that is not NULL; undefined makes it NULL. */
export type ValueMask = (value: string) => string | undefined

/** How the values of a column, as PostgreSQL writes them, are masked. Rules of SQL are not for single values. */
export function valueMask(planned: PlannedColumn, type: ValueType, seed: string): ValueMask {
  const { rule, derivation } = planned
  if (rule.kind === 'null') return () => undefined
  if (rule.kind === 'fixed') {
    const fixed = String(rule.value)
    return () => fixed
  }
  if (derivation === undefined) return value => value
  const masker = createMasker(seed, derivation)
  return (BY_TYPE[type] ?? asText)(masker)
}

const asText = (masker: Masker): ValueMask => masker.text

/** How types other than text are written. */
const BY_TYPE: Readonly<Partial<Record<ValueType, (masker: Masker) => ValueMask>>> = {
  integer: masker => value => String(masker.integer(BigInt(value))),
  decimal: masker => masker.decimal,
  bytes: masker => value => {
    const bytes = masker.bytes(Buffer.from(value.slice(2), 'hex'))
    return `\\x${Buffer.from(bytes).toString('hex')}`
  },
  // Infinity, and years before ours, are nobody's.
  date: masker => value => (/^\d{4}-[^B]*$/.test(value) ? masker.text(value) : value),
  network: masker => value => (value.includes(':') ? maskIpv6(value, masker) : masker.text(value)),
}

/** An address of the range that is for private use: https://www.rfc-editor.org/rfc/rfc4193 */
function maskIpv6(value: string, masker: Masker): string {
  const [address = '', bits] = value.split('/')
  const hex = Buffer.from(masker.bytes(Buffer.from(address.padEnd(40)))).toString('hex')
  const groups = `fd${hex.slice(0, 30)}`.match(/.{4}/g) ?? []
  return groups.join(':') + (bits === undefined ? '' : `/${bits}`)
}
