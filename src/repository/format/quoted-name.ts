import { decodeName, encodeName } from '../../base/bytes.ts'
import { invalid } from './json.ts'

const NAMED: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const UNNAMED: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  '"': 34,
}
const PLAIN = /^[ !#-[\]-~]*$/
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/** A node's name as Go's `strconv.Quote` writes it, without the quotes: how restic stores names in trees. */
export function quoteName(name: string): string {
  if (PLAIN.test(name)) return name
  let out = ''
  for (const char of name) out += NAMED[char] ?? quoteChar(char)
  return out
}

function quoteChar(char: string): string {
  const code = char.codePointAt(0) ?? 0
  // Escaped bytes of a name that is not UTF-8, see base/bytes.ts.
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
  if (PRINTABLE.test(char)) return char
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

/** The inverse, as Go's `strconv.Unquote`: escapes of bytes may together form UTF-8. */
export function unquoteName(quoted: string, subject: string): string {
  if (!quoted.includes('\\')) {
    if (quoted.includes('"') || quoted.includes('\n')) throw invalid(subject, 'a name is not quoted')
    return quoted
  }
  const parts: Buffer[] = []
  let at = 0
  while (at < quoted.length) {
    const next = quoted.indexOf('\\', at)
    const plain = quoted.slice(at, next === -1 ? undefined : next)
    if (plain.includes('"')) throw invalid(subject, 'a name is not quoted')
    parts.push(encodeName(plain))
    if (next === -1) break
    const escape = readEscape(quoted, next + 1, subject)
    parts.push(escape.bytes)
    at = escape.end
  }
  return decodeName(Buffer.concat(parts))
}

function readEscape(text: string, at: number, subject: string): { bytes: Buffer; end: number } {
  const kind = text[at] ?? ''
  const named = Object.hasOwn(UNNAMED, kind) ? UNNAMED[kind] : undefined
  if (named !== undefined) return { bytes: Buffer.from([named]), end: at + 1 }
  if (/^[0-7]$/.test(kind)) return readByte(text.slice(at, at + 3), /^[0-3][0-7]{2}$/, 8, at + 3, subject)
  if (kind === 'x') return readByte(text.slice(at + 1, at + 3), /^[0-9a-fA-F]{2}$/, 16, at + 3, subject)
  const digits = kind === 'u' ? 4 : kind === 'U' ? 8 : 0
  const code = Number.parseInt(text.slice(at + 1, at + 1 + digits), 16)
  const valid = digits > 0 && /^[0-9a-fA-F]+$/.test(text.slice(at + 1, at + 1 + digits))
  const scalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
  if (!valid || text.length < at + 1 + digits || !scalar) throw invalid(subject, 'a name has a wrong escape')
  return { bytes: Buffer.from(String.fromCodePoint(code), 'utf8'), end: at + 1 + digits }
}

function readByte(digits: string, form: RegExp, radix: number, end: number, subject: string) {
  if (!form.test(digits)) throw invalid(subject, 'a name has a wrong escape')
  return { bytes: Buffer.from([Number.parseInt(digits, radix)]), end }
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0')
}
