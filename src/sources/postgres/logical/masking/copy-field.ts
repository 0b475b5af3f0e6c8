/** Text as the database has it, from and to the bytes of COPY's text format. `latin1` stands for any one-byte encoding. */
export type CopyEncoding = 'utf8' | 'latin1'

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
const ESCAPE = /\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[\s\S])/g
const SPECIAL = /[\b\f\n\r\t\v\\]/g
const NAMES = new Map(Object.entries(ESCAPED).map(([name, char]) => [char, `\\${name}`]))
const BACKSLASH = 92
const CAPITAL_N = 78

/** Undefined for NULL. @see https://www.postgresql.org/docs/current/sql-copy.html */
export function decodeField(field: Buffer, encoding: CopyEncoding): string | undefined {
  if (field.length === 2 && field[0] === BACKSLASH && field[1] === CAPITAL_N) return undefined
  if (!field.includes(BACKSLASH)) return field.toString(encoding)
  // Escapes stand for bytes, so they go before characters are made of them.
  const plain = field.toString('latin1').replace(ESCAPE, (_, code: string) => {
    if (/^x./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff)
    return ESCAPED[code] ?? code
  })
  return encoding === 'latin1' ? plain : Buffer.from(plain, 'latin1').toString('utf8')
}

export function encodeField(value: string | undefined, encoding: CopyEncoding): Buffer {
  if (value === undefined) return Buffer.from('\\N')
  return Buffer.from(
    value.replace(SPECIAL, char => NAMES.get(char) ?? '\\\\'),
    encoding,
  )
}

const TAB = 9

/** The fields of a row, as parts of its line. */
export function splitRow(line: Buffer): Buffer[] {
  const fields: Buffer[] = []
  let from = 0
  for (let end = line.indexOf(TAB); end >= 0; end = line.indexOf(TAB, from)) {
    fields.push(line.subarray(from, end))
    from = end + 1
  }
  fields.push(line.subarray(from))
  return fields
}

const NAME = /"(?:[^"]|"")+"|[^\s".,()]+/g
const HEADER = /^COPY ((?:"(?:[^"]|"")+"|[^\s".])+\.(?:"(?:[^"]|"")+"|[^\s".])+) \((.*)\) FROM stdin;$/

/** The table, as `schema.table`, and the columns that rows follow of; undefined for any other line. */
export function parseCopy(line: string): { table: string; columns: string[] } | undefined {
  const [whole, table = '', columns = ''] = HEADER.exec(line) ?? []
  if (whole === undefined) return undefined
  const names = (text: string): string[] => (text.match(NAME) ?? []).map(plainName)
  return { table: names(table).join('.'), columns: names(columns) }
}

function plainName(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
