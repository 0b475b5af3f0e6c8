import { AppError } from '../../../../base/errors.ts'
import { displayName } from '../tables/table-pattern.ts'
import type { Archives } from './archives.ts'
import { DataBlocks, type TableDataSink } from './data-blocks.ts'
import { ArchiveReader, readToc, readTocFrom, type TocEntry } from './toc.ts'

/** The rows of one table in an archive. */
export interface ArchivedTable {
  /** As the manifest has it. */
  readonly name: string
  /** In the order in which the rows have them. */
  readonly columns: readonly string[]
  /** File of the snapshot. */
  readonly archive: string
}

/** Rows of a table as they come, in COPY's text form. The bytes are only valid until the next one is asked for. */
export interface TablePiece {
  readonly table: string
  readonly bytes: Buffer
}

const ROWS = 'TABLE DATA'
const NEEDED: ReadonlySet<string> = new Set([ROWS])

/** All of a database whose rows were captured, in the order in which they lie there. */
export async function listArchivedTables(archives: Archives, paths: readonly string[]): Promise<ArchivedTable[]> {
  const tables: ArchivedTable[] = []
  for (const archive of paths) {
    for (const entry of await readToc(archives.read(archive), NEEDED)) {
      if (entry.kind === ROWS) tables.push({ name: nameOf(entry), columns: columnsOf(entry.copy ?? ''), archive })
    }
  }
  return tables
}

/** Reads the rows of these tables, one archive after the other, and of each no more than they need. */
export async function* readArchivedTables(
  archives: Archives,
  tables: readonly ArchivedTable[],
): AsyncGenerator<TablePiece> {
  for (const [archive, wanted] of Map.groupBy(tables, table => table.archive)) {
    yield* readArchive(archives.read(archive), new Set(wanted.map(table => table.name)), archive)
  }
}

async function* readArchive(
  source: AsyncIterable<Buffer>,
  wanted: ReadonlySet<string>,
  archive: string,
): AsyncGenerator<TablePiece> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    const reader = new ArchiveReader(iterator)
    const entries = await readTocFrom(reader, NEEDED)
    const names = new Map(entries.filter(each => each.kind === ROWS).map(each => [each.id, nameOf(each)]))
    const sink = new WantedRows(names, wanted)
    const blocks = new DataBlocks(sink)
    let bytes = reader.rest
    while (sink.left > 0) {
      if (!blocks.add(bytes)) throw unknownForm(archive)
      yield* sink.take()
      if (sink.left === 0) return
      const next = await iterator.next()
      if (next.done === true) throw unknownForm(archive)
      bytes = next.value
    }
  } finally {
    await iterator.return?.()
  }
}

/** Collects the pieces of what was added last. */
class WantedRows implements TableDataSink {
  readonly #names: ReadonlyMap<number, string>
  readonly #wanted: Set<string>
  readonly #pieces: TablePiece[] = []
  #table: string | undefined

  constructor(names: ReadonlyMap<number, string>, wanted: ReadonlySet<string>) {
    this.#names = names
    this.#wanted = new Set(wanted)
  }

  /** Tables whose end did not come yet. */
  get left(): number {
    return this.#wanted.size
  }

  take(): TablePiece[] {
    return this.#pieces.splice(0)
  }

  begin(id: number): void {
    const name = this.#names.get(id)
    this.#table = name !== undefined && this.#wanted.has(name) ? name : undefined
  }

  part(bytes: Buffer, from: number, to: number): void {
    if (this.#table !== undefined) this.#pieces.push({ table: this.#table, bytes: bytes.subarray(from, to) })
  }

  end(): void {
    if (this.#table !== undefined) this.#wanted.delete(this.#table)
    this.#table = undefined
  }
}

function nameOf({ schema = '', tag }: TocEntry): string {
  return displayName({ schema, name: tag })
}

const PART = '(?:"(?:[^"]|"")+"|[^\\s."]+)'
const COPY = new RegExp(`^COPY ${PART}\\.${PART} \\((.*)\\) FROM stdin;\\s*$`, 's')
const NAME = /"((?:[^"]|"")+)"|([^\s,"]+)/g

/** Of a statement `COPY public.film (film_id, "no te") FROM stdin;`. */
export function columnsOf(copy: string): string[] {
  const list = COPY.exec(copy)?.[1] ?? ''
  return [...list.matchAll(NAME)].map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain)
}

function unknownForm(archive: string): AppError {
  return new AppError('damaged', `${archive} does not hold the rows that its table of contents names`, {
    hint: 'Run "lifeboat check --read-data". An archive that pg_dump compressed cannot be read row by row.',
  })
}
