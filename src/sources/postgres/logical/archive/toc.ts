import { decodeName } from '../../../../base/bytes.ts'
import { AppError } from '../../../../base/errors.ts'

/** One entry of an archive's table of contents. */
export interface TocEntry {
  readonly id: number
  /** `TABLE`, `FK CONSTRAINT`, ... */
  readonly kind: string
  /** Undefined for what belongs to none. */
  readonly schema: string | undefined
  /** The object's name; for what hangs on a table: `film film_pkey`. */
  readonly tag: string
  readonly dependsOn: readonly number[]
  readonly owner: string
  /** Undefined for the database's own. */
  readonly tablespace: string | undefined
  /** The statement that makes it, of the kinds in `READ` only: those of all would fill the memory. */
  readonly definition?: string
  /** Of functions. */
  readonly language?: string
  /** Of rows, where these are asked for: the statement that reads them in. */
  readonly copy?: string
}

/** Of these the statement says who may make it, or whom it names. */
const READ: ReadonlySet<string> = new Set(['POLICY', 'PUBLICATION', 'CAST', 'ACL', 'DEFAULT ACL'])
const FUNCTIONS: ReadonlySet<string> = new Set(['FUNCTION', 'PROCEDURE'])
/** As pg_dump writes it, before the body. */
const LANGUAGE = /\n {4}LANGUAGE (\S+)/

const MAGIC = 'PGDMP'
const CUSTOM_FORMAT = 1
/** Numbers: seconds, minutes, hours, day, month, year, daylight saving. */
const TIME_FIELDS = 7
/** PostgreSQL 12 to 15 write 1.14, 16 writes 1.15, 17 and 18 write 1.16. */
const [OLDEST_MINOR, NEWEST_MINOR] = [14, 16]

/**
 * Reads the table of contents at the start of an archive that pg_dump wrote in its custom format. What `pg_restore
 * --list` prints can't be taken apart: names with spaces in them, of schemas and owners too, run into one another.
 * Reads no more of `bytes` than that; of the statements those of the kinds in `read`. Throws `unsupported` for a form we do not know, `damaged` for what is cut.
 *
 * @see PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c, WriteHead and WriteToc
 */
export async function readToc(bytes: AsyncIterable<Buffer>, read = READ): Promise<TocEntry[]> {
  const reader = new ArchiveReader(bytes[Symbol.asyncIterator]())
  const entries = await readTocFrom(reader, read)
  await reader.close()
  return entries
}

/** Leaves the reader where the data begins. */
export async function readTocFrom(reader: ArchiveReader, read: ReadonlySet<string>): Promise<TocEntry[]> {
  const { minor, offsetBytes } = await readHead(reader)
  const entries: TocEntry[] = []
  for (let left = await reader.int(); left > 0; left--) {
    const { definition, copy, ...entry } = await readEntry(reader, minor, offsetBytes)
    if (entry.kind === 'ENCODING') reader.decodeAs(definition)
    const language = FUNCTIONS.has(entry.kind) ? LANGUAGE.exec(definition)?.[1] : undefined
    const told = read.has(entry.kind) ? { definition } : language === undefined ? {} : { language }
    entries.push({ ...entry, ...told, ...(copy !== undefined && read.has(entry.kind) ? { copy } : {}) })
  }
  return entries
}

interface ArchiveForm {
  readonly minor: number
  readonly offsetBytes: number
}

async function readHead(reader: ArchiveReader): Promise<ArchiveForm> {
  const magic = (await reader.bytes(MAGIC.length)).toString('latin1')
  const [major = 0, minor = 0, , intBytes = 0, offsetBytes = 0, format = 0] = await reader.bytes(6)
  const known = magic === MAGIC && major === 1 && minor >= OLDEST_MINOR && minor <= NEWEST_MINOR
  if (!known || format !== CUSTOM_FORMAT || intBytes !== 4) {
    throw new AppError(
      'unsupported',
      `the form of the archive, ${major}.${minor}, is not known: its tables cannot be read one by one`,
      {
        hint: 'Restore the whole database to a new name, and take the tables from there.',
      },
    )
  }
  // How it is compressed: one byte since 1.15, before it was a number.
  await (minor >= 15 ? reader.bytes(1) : reader.int())
  for (let field = 0; field < TIME_FIELDS; field++) await reader.int()
  // The database, the server's version, pg_dump's.
  for (let field = 0; field < 3; field++) await reader.text()
  return { minor, offsetBytes }
}

async function readEntry(
  reader: ArchiveReader,
  minor: number,
  offsetBytes: number,
): Promise<Omit<TocEntry, 'copy'> & { readonly definition: string; readonly copy: string | undefined }> {
  const id = await reader.int()
  await reader.int() // it has data
  await reader.text() // OIDs of its catalog and its own
  await reader.text()
  const tag = (await reader.text()) ?? ''
  const kind = (await reader.text()) ?? ''
  await reader.int() // section
  const definition = (await reader.text()) ?? ''
  await reader.text() // how to drop it
  const copy = await reader.text()
  const schema = await reader.text()
  const tablespace = await reader.text()
  await reader.text() // access method
  if (minor >= 16) await reader.int() // relkind
  const owner = (await reader.text()) ?? ''
  await reader.text() // with OIDs
  const dependsOn: number[] = []
  for (let on = await reader.text(); on !== undefined; on = await reader.text()) dependsOn.push(Number(on))
  await reader.bytes(1 + offsetBytes) // where its data is
  const place = { schema: schema === '' ? undefined : schema, tablespace: tablespace === '' ? undefined : tablespace }
  return { id, kind, ...place, tag, owner, dependsOn, definition, copy }
}

/** Of the server's encodings those that a decoder knows; all else is UTF-8, or read as such. */
const ENCODINGS: ReadonlyArray<[RegExp, string]> = [
  [/^LATIN1$/, 'iso-8859-1'],
  [/^LATIN2$/, 'iso-8859-2'],
  [/^LATIN9$/, 'iso-8859-15'],
  [/^WIN(\d+)$/, 'windows-$1'],
  [/^KOI8([RU])$/, 'koi8-$1'],
  [/^EUC_(JP|KR)$/, 'euc-$1'],
]

/** Nobody's function is as long; more is asked for where something else was read than was written. */
const LONGEST_TEXT_BYTES = 256 * 1024 * 1024

export class ArchiveReader {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)
  #decode: (bytes: Buffer) => string = decodeName

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source
  }

  /** What was given to it and not yet read. */
  get rest(): Buffer {
    return this.#rest
  }

  /** From an entry `SET client_encoding = 'LATIN1';`. */
  decodeAs(statement: string): void {
    const name = /'([^']+)'/.exec(statement)?.[1] ?? 'UTF8'
    const found = ENCODINGS.find(([form]) => form.test(name))
    if (!found) return
    const decoder = new TextDecoder(name.replace(found[0], found[1]))
    this.#decode = bytes => decoder.decode(bytes)
  }

  async bytes(count: number): Promise<Buffer> {
    const parts = [this.#rest]
    for (let there = this.#rest.length; there < count; ) {
      const next = await this.#source.next()
      if (next.done === true) throw cut()
      parts.push(next.value)
      there += next.value.length
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts)
    this.#rest = all.subarray(count)
    return all.subarray(0, count)
  }

  /** A sign byte, then the amount with its lowest byte first. */
  async int(): Promise<number> {
    const bytes = await this.bytes(5)
    const amount = bytes.readUInt32LE(1)
    return bytes[0] === 0 ? amount : -amount
  }

  /** Its length comes first; a negative one is no text at all. */
  async text(): Promise<string | undefined> {
    const length = await this.int()
    if (length > LONGEST_TEXT_BYTES) throw cut()
    return length < 0 ? undefined : this.#decode(await this.bytes(length))
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

function cut(): AppError {
  return new AppError('damaged', 'an archive ends within its table of contents', {
    hint: 'Run "lifeboat check --read-data", and restore an earlier snapshot.',
  })
}
