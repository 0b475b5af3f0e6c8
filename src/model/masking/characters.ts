/** Characters that stand for one another when a text is masked. */
export interface CharacterClass {
  readonly radix: number
  readonly indexOf: (codePoint: number) => number
  readonly at: (index: number) => number
}

const DIGITS = range(0x30, 10)
const UPPER = range(0x41, 26)
const LOWER = range(0x61, 26)
/** Unified ideographs, and Hangul syllables: too many for blocks of 128. */
const HAN = range(0x4e00, 0x5200)
const HANGUL = range(0xac00, 11_172)
const ALPHANUMERIC = list('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')
const LOWER_ALPHANUMERIC = list('0123456789abcdefghijklmnopqrstuvwxyz')
const HEX_LOWER = list('0123456789abcdef')
const HEX_UPPER = list('0123456789ABCDEF')

const BLOCK = 128
const CATEGORIES = ['Lu', 'Ll', 'Lt', 'Lm', 'Lo', 'Nd', 'Nl', 'No'].map(name => new RegExp(`^\\p{${name}}$`, 'u'))

/** Letters by letters of their case and script, digits by digits; undefined for what is neither. */
export function formatClass(codePoint: number): CharacterClass | undefined {
  if (codePoint < 0x80) {
    if (codePoint >= 0x30 && codePoint <= 0x39) return DIGITS
    if (codePoint >= 0x41 && codePoint <= 0x5a) return UPPER
    return codePoint >= 0x61 && codePoint <= 0x7a ? LOWER : undefined
  }
  if (codePoint >= 0x4e00 && codePoint < 0xa000) return HAN
  if (codePoint >= 0xac00 && codePoint < 0xac00 + HANGUL.radix) return HANGUL
  return blockClass(codePoint)
}

/** Letters and digits alike by either, so that it can't be seen which was which; other scripts as `formatClass`. */
export function textClass(codePoint: number, lowerCase: boolean): CharacterClass | undefined {
  const found = formatClass(codePoint)
  if (codePoint >= 0x80 || found === undefined) return found
  return lowerCase ? LOWER_ALPHANUMERIC : ALPHANUMERIC
}

/** Hexadecimal digits of one case. */
export function hexClass(codePoint: number, upperCase: boolean): CharacterClass | undefined {
  if (formatClass(codePoint) === undefined) return undefined
  return upperCase ? HEX_UPPER : HEX_LOWER
}

const blocks = new Map<number, Array<{ category: RegExp; members: CharacterClass }>>()

/** The letters or digits of the same kind among the 128 code points around it: of its script, and as long in UTF-8. */
function blockClass(codePoint: number): CharacterClass | undefined {
  const char = String.fromCodePoint(codePoint)
  const category = CATEGORIES.find(each => each.test(char))
  if (category === undefined) return undefined
  const block = codePoint - (codePoint % BLOCK)
  const known = blocks.get(block) ?? []
  blocks.set(block, known)
  const found = known.find(each => each.category === category)
  if (found) return found.members
  const all = Array.from({ length: BLOCK }, (_, i) => String.fromCodePoint(block + i))
  const members = list(all.filter(each => category.test(each)).join(''))
  known.push({ category, members })
  return members
}

function range(first: number, radix: number): CharacterClass {
  return { radix, indexOf: codePoint => codePoint - first, at: index => first + index }
}

function list(members: string): CharacterClass {
  const codePoints = Array.from(members, char => char.codePointAt(0) ?? 0)
  const indexes = new Map(codePoints.map((codePoint, index) => [codePoint, index]))
  return {
    radix: codePoints.length,
    indexOf: codePoint => indexes.get(codePoint) ?? 0,
    at: index => codePoints[index] ?? 0,
  }
}
