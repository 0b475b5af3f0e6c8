import { type CharacterClass, formatClass, hexClass, textClass } from './characters.ts'
import { ibanCheck, isIban, luhnDigit } from './checksums.ts'
import type { MaskKey } from './mask-key.ts'
import { permute, permuteBelow } from './permute.ts'

/**
 * Values that keep their form: letters stay letters of their case and script, digits digits, all else stays as it is. What
 * has a meaning of its own keeps it: card numbers and IBANs stay valid (or not valid), dates stay dates of their year,
 * UUIDs and IPv4 addresses stay such. Two values never become the same one.
 */
export function formatText(key: MaskKey, domain: string, value: string): string {
  for (const form of FORMS) {
    const masked = form(key, domain, value)
    if (masked !== undefined) return masked
  }
  return permuteCharacters(key, domain, value, formatClass)
}

/** Letters and digits become any of them; length, blanks and punctuation stay. */
export function scrambleText(key: MaskKey, domain: string, value: string, lowerCase: boolean): string {
  return permuteCharacters(key, domain, value, codePoint => textClass(codePoint, lowerCase))
}

type Form = (key: MaskKey, domain: string, value: string) => string | undefined

const FORMS: readonly Form[] = [date, uuid, cardNumber, iban, ipv4]

/** `from`: characters before it stay. */
function permuteCharacters(
  key: MaskKey,
  domain: string,
  value: string,
  classOf: (codePoint: number, at: number) => CharacterClass | undefined,
): string {
  const codePoints = Array.from(value, char => char.codePointAt(0) ?? 0)
  const classes = codePoints.map(classOf)
  const places = classes.flatMap((found, at) => (found ? [{ at, found }] : []))
  if (places.length === 0) return value
  const values = places.map(({ at, found }) => found.indexOf(codePoints[at] ?? 0))
  const masked = permute(
    key,
    domain,
    values,
    places.map(({ found }) => found.radix),
  )
  for (const [i, { at, found }] of places.entries()) codePoints[at] = found.at(masked[i] ?? 0)
  return fromCodePoints(codePoints)
}

const PIECE = 8192

/** A call takes only so many arguments. */
function fromCodePoints(codePoints: readonly number[]): string {
  let out = ''
  for (let at = 0; at < codePoints.length; at += PIECE) {
    out += String.fromCodePoint(...codePoints.slice(at, at + PIECE))
  }
  return out
}

const CARD = /^\d(?:[ -]?\d){12,18}$/

/** The last digit stays as far from the right one as it was, so a number that passes the check still does. */
function cardNumber(key: MaskKey, domain: string, value: string): string | undefined {
  if (!CARD.test(value)) return undefined
  const body = permuteCharacters(key, `${domain} card`, value.slice(0, -1), formatClass)
  const digits = (text: string): string => text.replace(/\D/g, '')
  const off = Number(value.at(-1)) - luhnDigit(digits(value.slice(0, -1)))
  return body + String((luhnDigit(digits(body)) + off + 10) % 10)
}

function iban(key: MaskKey, domain: string, value: string): string | undefined {
  const plain = value.replaceAll(' ', '')
  if (!isIban(plain)) return undefined
  const country = plain.slice(0, 2)
  const account = permuteCharacters(key, `${domain} iban`, plain.slice(4), formatClass)
  const masked = `${country}${ibanCheck(country, account)}${account}`.split('')
  return Array.from(value, char => (char === ' ' ? char : (masked.shift() ?? ''))).join('')
}

const UUID = /^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12})$/
/** Where a UUID says its version and variant. */
const UUID_SIGNS: ReadonlySet<number> = new Set([14, 19])

function uuid(key: MaskKey, domain: string, value: string): string | undefined {
  if (!UUID.test(value)) return undefined
  const upper = /[A-F]/.test(value)
  const classOf = (codePoint: number, at: number): CharacterClass | undefined =>
    UUID_SIGNS.has(at) ? undefined : hexClass(codePoint, upper)
  return permuteCharacters(key, `${domain} uuid`, value, classOf)
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(\/\d{1,2})?$/

function ipv4(key: MaskKey, domain: string, value: string): string | undefined {
  const [whole, ...octets] = IPV4.exec(value) ?? []
  const mask = octets.pop() ?? ''
  const numbers = octets.map(Number)
  // With leading zeros two spellings would become one.
  if (whole === undefined || numbers.some((n, i) => n > 255 || String(n) !== octets[i])) return undefined
  return permute(key, `${domain} ipv4`, numbers, [256, 256, 256, 256]).join('.') + mask
}

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:([T ])(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(\s?[zZ]|\s?[+-]\d{2}(?::?\d{2})?)?)?$/
const DAY_MS = 86_400_000

/** Another day of the same year, another time of day; the zone stays. */
function date(key: MaskKey, domain: string, value: string): string | undefined {
  const [whole, year = '', month = '', day = '', gap, hour = '', minute = '', second, fraction, zone = ''] =
    DATE.exec(value) ?? []
  if (whole === undefined) return undefined
  const first = Date.UTC(Number(year), 0, 1)
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day))
  if (Number(year) < 100 || new Date(at).toISOString().slice(0, 10) !== `${year}-${month}-${day}`) return undefined
  const days = Math.round((Date.UTC(Number(year) + 1, 0, 1) - first) / DAY_MS)
  const other = permuteBelow(key, `${domain} day ${year}`, Math.round((at - first) / DAY_MS), days)
  const masked = new Date(first + other * DAY_MS).toISOString().slice(0, 10)
  if (gap === undefined) return masked
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second ?? 0)
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second ?? 0) > 59) return undefined
  const time =
    second === undefined
      ? permuteBelow(key, `${domain} minute ${masked}`, seconds / 60, 1440) * 60
      : permuteBelow(key, `${domain} second ${masked}`, seconds, 86_400)
  const text = new Date(time * 1000).toISOString().slice(11, second === undefined ? 16 : 19)
  const part = fraction === undefined ? '' : `.${permuteCharacters(key, `${domain} ${text}`, fraction, formatClass)}`
  return `${masked}${gap}${text}${part}${zone}`
}
