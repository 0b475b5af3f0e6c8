/** Names on disk are bytes; JavaScript strings are UTF-16. Bytes that are not valid UTF-8 become lone surrogates
 * U+DC80..U+DCFF (the scheme of Python's "surrogateescape"), so that every name survives the round trip. */
export function decodeName(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  if (!text.includes('\ufffd')) return text
  return decodeLossless(bytes)
}

export function encodeName(name: string): Buffer {
  if (!/[\udc80-\udcff]/.test(name)) return Buffer.from(name, 'utf8')
  const parts: Buffer[] = []
  for (const char of name) {
    const code = char.codePointAt(0) ?? 0
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char, 'utf8'))
  }
  return Buffer.concat(parts)
}

/** Characters that turn the direction of writing: with one, a name can be shown as another. */
const TURNS_WRITING = /^[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]$/

/** The name made fit for people's eyes: escaped bytes as `\xff`, control characters too, turned writing as `\u202e`. */
export function printableName(name: string): string {
  let out = ''
  for (const char of name) {
    const code = char.codePointAt(0) ?? 0
    if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) out += `\\x${code.toString(16).padStart(2, '0')}`
    else if (TURNS_WRITING.test(char)) out += `\\u${code.toString(16).padStart(4, '0')}`
    else out += char
  }
  return out
}

// Control characters, lone surrogates (bytes that are no UTF-8), turned writing. Line feeds and tabs are ours.
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** A text of several lines made fit for a terminal: whatever names and messages of others are in it, none steers it. */
export function printableText(text: string): string {
  return text.replace(UNPRINTABLE, printableName)
}

const PLAIN = /^[ -~]*$/

/**
 * How a person may type a name, the best first: as it is, as it is printed, and, where the shell completed bytes that are
 * not text, with what Node makes of those in arguments (U+FFFD), which several names may share.
 */
export function typedForms(name: string): readonly string[] {
  if (PLAIN.test(name)) return [name]
  return [...new Set([name, printableName(name), encodeName(name).toString('utf8')])]
}

/** Orders names as their bytes do (restic's order in a tree). */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(encodeName(a), encodeName(b))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeLossless(bytes: Uint8Array): string {
  let out = ''
  let at = 0
  while (at < bytes.length) {
    const length = utf8Length(bytes[at] ?? 0)
    const char = length === 0 ? undefined : tryDecode(bytes.subarray(at, at + length), length)
    if (char === undefined) {
      out += String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
      at += 1
    } else {
      out += char
      at += length
    }
  }
  return out
}

function utf8Length(first: number): number {
  if (first < 0x80) return 1
  if (first >= 0xc2 && first < 0xe0) return 2
  if (first >= 0xe0 && first < 0xf0) return 3
  return first >= 0xf0 && first < 0xf5 ? 4 : 0
}

function tryDecode(bytes: Uint8Array, length: number): string | undefined {
  if (bytes.length < length) return undefined
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
