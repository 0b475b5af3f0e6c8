import { formatText } from './format.ts'
import type { MaskKey } from './mask-key.ts'

/** How much a derived value may and must say, for all columns of its domain together. */
export interface Extent {
  /** A column of the domain is unique: two values must not become the same one. */
  readonly unique: boolean
  /** The shortest column of the domain; undefined where none is limited. */
  readonly maxChars?: number | undefined
  /** A column of the domain takes upper and lower case for equal, so both must mask equally. */
  readonly caseInsensitive: boolean
}

const HASH_CHARS = 32
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** 32 hexadecimal digits, or a UUID where there was one. */
export function inventHash(key: MaskKey, domain: string, value: string, extent: Extent): string {
  const hex = key.digest(domain, value).toString('hex')
  if (!UUID.test(value)) return hex.slice(0, Math.min(HASH_CHARS, extent.maxChars ?? HASH_CHARS))
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Nobody can have an address there: https://www.rfc-editor.org/rfc/rfc2606 */
const MAIL_HOST = '@example.com'
const MAIL_CHARS = 16

export function inventEmail(key: MaskKey, domain: string, value: string, extent: Extent): string {
  const room = (extent.maxChars ?? Number.POSITIVE_INFINITY) - MAIL_HOST.length - 1
  const hex = key.digest(domain, value).toString('hex')
  return `u${hex.slice(0, Math.max(1, Math.min(MAIL_CHARS, room)))}${MAIL_HOST}`
}

const CONSONANTS = 'bdfghjklmnprstvz'
const VOWELS = 'aeiou'
const SHORT = [3, 4] as const
/** 11 syllables of 80 are 69 bits. */
const LONG = [5, 6] as const

/** One word where there was one, else two, of syllables: nobody's name. */
export function inventName(key: MaskKey, domain: string, value: string, extent: Extent): string {
  const digest = key.digest(domain, value)
  const single = !/\s/.test(value.trim())
  const [first, last] = extent.unique ? LONG : SHORT
  const words = single
    ? [word(digest, 0, extent.unique ? first + last : last)]
    : [word(digest, 0, first), word(digest, first, last)]
  return words.join(' ').slice(0, extent.maxChars)
}

function word(digest: Buffer, from: number, syllables: number): string {
  let out = ''
  for (let i = from; i < from + syllables; i++) {
    const number = digest.readUInt16LE(i * 2)
    out += `${CONSONANTS[number % 16] ?? ''}${VOWELS[(number >> 4) % 5] ?? ''}`
  }
  return out.charAt(0).toUpperCase() + out.slice(1)
}

/** No country has the code 999, so nobody is called. */
const NOWHERE = '999'

/** The number's own form after a country code that nobody has. Too long for its column, it loses what is not a digit. */
export function inventPhone(key: MaskKey, domain: string, value: string, extent: Extent): string {
  const masked = formatText(key, `${domain} phone`, value.startsWith('+') ? value.slice(1) : value)
  const full = `${value.startsWith('+') ? '+' : ''}${NOWHERE}${masked}`
  const max = extent.maxChars ?? Number.POSITIVE_INFINITY
  return full.length <= max ? full : full.replace(/[^\d+]/g, '')
}
