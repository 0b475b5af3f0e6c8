import { formatText, scrambleText } from './format.ts'
import { type Extent, inventEmail, inventHash, inventName, inventPhone } from './invented.ts'
import { MaskKey } from './mask-key.ts'
import { maskBytes, maskDecimal, maskInteger } from './numbers.ts'
import type { DerivedKind } from './rules.ts'

/** How one column is derived. Plain data: it crosses to other processes. */
export interface Derivation {
  readonly kind: DerivedKind
  readonly domain: string
  readonly extent: Extent
}

/** Masks single values, NULL apart. The same value always becomes the same one. */
export interface Masker {
  readonly text: (value: string) => string
  readonly integer: (value: bigint) => bigint
  /** A number with a point or an exponent, as text. */
  readonly decimal: (value: string) => string
  readonly bytes: (value: Uint8Array) => Uint8Array
}

type Invent = (key: MaskKey, domain: string, value: string, extent: Extent) => string

const INVENTED: Readonly<Record<Exclude<DerivedKind, 'text' | 'format'>, Invent>> = {
  hash: inventHash,
  email: inventEmail,
  name: inventName,
  phone: inventPhone,
}

export function createMasker(seed: string, derivation: Derivation): Masker {
  const key = new MaskKey(seed)
  const { domain, kind } = derivation
  const text = remembering(textMasker(key, derivation))
  return {
    text,
    integer: value => (kind === 'phone' && value > 0n ? BigInt(text(String(value))) : maskInteger(key, domain, value)),
    decimal: value => maskDecimal(key, domain, value),
    bytes: value => (kind === 'hash' ? key.digest(`${domain} bytes`, value) : maskBytes(key, domain, value)),
  }
}

function textMasker(key: MaskKey, derivation: Derivation): (value: string) => string {
  const { kind, domain, extent } = derivation
  const { caseInsensitive } = extent
  // Letters of either case are permuted alike, so that what differs in case alone does so afterwards too.
  if (kind === 'format') return value => (value === '' ? '' : formatText(key, domain, value))
  const folded = (value: string): string => (caseInsensitive ? value.toLowerCase() : value)
  if (kind === 'text') return value => scrambleText(key, domain, folded(value), caseInsensitive)
  const invent = INVENTED[kind]
  return value => (value === '' ? '' : invent(key, domain, folded(value), extent))
}

const REMEMBERED = 4096
const LONGEST_REMEMBERED = 128

/** Many columns repeat few values; a hit spares some ten hashes. */
function remembering(mask: (value: string) => string): (value: string) => string {
  const known = new Map<string, string>()
  return value => {
    const found = known.get(value)
    if (found !== undefined) return found
    const masked = mask(value)
    if (value.length > LONGEST_REMEMBERED) return masked
    if (known.size >= REMEMBERED) known.clear()
    known.set(value, masked)
    return masked
  }
}
