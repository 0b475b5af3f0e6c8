import type { Connection, Submittable } from 'pg'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { postgresError } from './errors.ts'
import { connectClient } from './session.ts'
import type { ConnectionSettings } from './settings.ts'
import { quoteLiteral } from './sql.ts'

/** One part of what the server sends, each a stream of bytes of its own. */
export type BackupPart =
  /** A tar archive of the data directory; comes last of the archives. */
  | { readonly kind: 'base' }
  /** A tar archive of a tablespace; `path` is where the server has it. */
  | { readonly kind: 'tablespace'; readonly oid: string; readonly path: string }
  /** The text of `backup_manifest`. */
  | { readonly kind: 'manifest' }

export interface BaseBackupRequest {
  readonly settings: ConnectionSettings
  /** Of the server; 150018 for 15.18. */
  readonly versionNumber: number
  readonly label: string
  readonly signal: AbortSignal
}

/** Above it the server is held back until somebody has read. */
const HELD_BYTES = 4 * 1024 * 1024

/**
 * A copy of a cluster as the server sends it over a replication connection, without any file on this machine: what
 * pg_basebackup asks for, which itself can't pass on several archives as they come. The caller takes part after part,
 * reads each to its end, believes none of it before `next` has returned undefined, and closes.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP
 */
export class BaseBackup {
  /** What the server warned of while it sent, line by line. */
  readonly warnings: string[] = []
  readonly #request: BaseBackupRequest
  readonly #receiver: BackupReceiver
  readonly #end: () => Promise<void>

  private constructor(request: BaseBackupRequest, receiver: BackupReceiver, end: () => Promise<void>) {
    this.#request = request
    this.#receiver = receiver
    this.#end = end
  }

  /** Throws `source-invalid` when the role may not replicate, else as every connection. */
  static async start(request: BaseBackupRequest): Promise<BaseBackup> {
    const { settings, signal } = request
    throwIfAborted(signal)
    const client = await connectClient(settings, settings.database, { signal, replication: true })
    const receiver = new BackupReceiver(command(request), request.versionNumber >= 150_000)
    const abort = (): void => receiver.fail(new AppError('interrupted', 'interrupted'))
    signal.addEventListener('abort', abort, { once: true })
    const backup = new BaseBackup(request, receiver, async () => {
      signal.removeEventListener('abort', abort)
      receiver.destroy()
      await client.end().catch(() => {})
    })
    client.on('notice', notice => backup.warnings.push(notice.message ?? ''))
    client.on('error', error => receiver.fail(error))
    client.on('end', () => receiver.fail(new Error('server closed the connection unexpectedly')))
    client.query(receiver)
    return backup
  }

  /**
   * The next part; what is left of the last one is skipped. Undefined at the end, when the server has said that all went
   * well. Throws what the server says instead, `source-unreachable` when it is gone.
   */
  async next(): Promise<BackupPart | undefined> {
    return await this.#guard(() => this.#receiver.next())
  }

  /** Every tablespace's place on the server by its OID, known from the first part on. */
  get tablespaces(): ReadonlyMap<string, string> {
    return new Map(this.#receiver.tablespaces.map(({ oid, path }) => [oid, path]))
  }

  /** Fills `into` with the current part; less than asked only at the part's end. */
  async read(into: Uint8Array): Promise<number> {
    return await this.#guard(() => this.#receiver.read(into))
  }

  async close(): Promise<void> {
    await this.#end()
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throwIfAborted(this.#request.signal)
      throw postgresError(error, this.#request.settings, 'copy the cluster')
    }
  }
}

/** With the log, without waiting for an archive that may be away: the copy needs none. */
function command({ label, versionNumber }: BaseBackupRequest): string {
  const name = quoteLiteral(label)
  return versionNumber >= 150_000
    ? `BASE_BACKUP (LABEL ${name}, CHECKPOINT 'fast', WAL, WAIT 0, MANIFEST 'yes')`
    : `BASE_BACKUP LABEL ${name} FAST WAL NOWAIT MANIFEST 'yes'`
}

interface Tablespace {
  /** Empty for the data directory. */
  readonly oid: string
  readonly path: string
}

/** What comes after the last byte of all: what the server says then is no part's. */
const END = { part: undefined } as const

type Piece = { readonly part: BackupPart } | typeof END | { readonly bytes: Buffer }

/** What `client.query` calls while the server answers. Before PostgreSQL 15 each part is a COPY of its own. */
class BackupReceiver implements Submittable {
  tablespaces: Tablespace[] = []
  readonly #command: string
  readonly #singleCopy: boolean
  #connection: Connection | undefined
  #resultSets = 0
  #copies = 0
  #rows: Tablespace[] = []
  readonly #queue: Piece[] = []
  #heldBytes = 0
  #paused = false
  #ended = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(sql: string, singleCopy: boolean) {
    this.#command = sql
    this.#singleCopy = singleCopy
  }

  // --- what the driver calls

  submit(connection: Connection): void {
    this.#connection = connection
    connection.on('copyOutResponse', () => {
      if (!this.#singleCopy) this.#push({ part: this.#partOfCopy() })
    })
    connection.on('copyDone', () => this.#push(END))
    connection.query(this.#command)
  }

  handleRowDescription(): void {
    this.#resultSets++
  }

  handleDataRow(message: { readonly fields: ReadonlyArray<string | null> }): void {
    // The first result set is the start of the backup, the second the tablespaces, the last the end.
    if (this.#resultSets === 2) this.#rows.push({ oid: message.fields[0] ?? '', path: message.fields[1] ?? '' })
  }

  handleCommandComplete(): void {
    if (this.#resultSets === 2 && this.#rows.length > 0) this.tablespaces = this.#rows.filter(row => row.oid !== '')
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    const { chunk } = message
    if (!this.#singleCopy) return this.#push({ bytes: Buffer.from(chunk) })
    const kind = chunk.toString('latin1', 0, 1)
    if (kind === 'd') this.#push({ bytes: Buffer.from(chunk.subarray(1)) })
    else if (kind === 'n') this.#push({ part: partOfArchive(chunk.subarray(1)) })
    else if (kind === 'm') this.#push({ part: { kind: 'manifest' } })
  }

  handleReadyForQuery(): void {
    this.#ended = true
    this.#awake()
  }

  handleError(error: Error): void {
    this.fail(error)
  }

  // --- what the reader calls

  fail(error: Error): void {
    if (this.#ended) return
    this.#failure ??= error
    this.#awake()
  }

  destroy(): void {
    this.#queue.length = 0
    this.#connection?.stream.destroy()
  }

  async next(): Promise<BackupPart | undefined> {
    for (;;) {
      const piece = await this.#head()
      if (piece === undefined) return undefined
      this.#drop(piece)
      if ('part' in piece && piece.part !== undefined) return piece.part
    }
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < into.length) {
      const piece = await this.#head()
      if (piece === undefined || 'part' in piece) break
      const count = piece.bytes.copy(into, filled)
      filled += count
      this.#drop(piece, count)
    }
    return filled
  }

  /** The first piece that is there or comes; undefined at the end. A failure comes after what was sent before it. */
  async #head(): Promise<Piece | undefined> {
    for (;;) {
      const [piece] = this.#queue
      if (piece !== undefined) return piece
      if (this.#failure !== undefined) throw this.#failure
      if (this.#ended) return undefined
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  #drop(piece: Piece, count = 'bytes' in piece ? piece.bytes.length : 0): void {
    this.#heldBytes -= count
    if ('bytes' in piece && count < piece.bytes.length) this.#queue[0] = { bytes: piece.bytes.subarray(count) }
    else this.#queue.shift()
    if (!this.#paused || this.#heldBytes > HELD_BYTES / 2) return
    this.#paused = false
    this.#connection?.stream.resume()
  }

  #push(piece: Piece): void {
    this.#queue.push(piece)
    if ('bytes' in piece) this.#heldBytes += piece.bytes.length
    if (this.#heldBytes > HELD_BYTES && !this.#paused) {
      this.#paused = true
      this.#connection?.stream.pause()
    }
    this.#awake()
  }

  #awake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** In the order of the tablespaces' result set; the manifest comes after them. */
  #partOfCopy(): BackupPart {
    const row = this.#rows[this.#copies++]
    if (row === undefined) return { kind: 'manifest' }
    return row.oid === '' ? { kind: 'base' } : { kind: 'tablespace', ...row }
  }
}

/** Two texts, each ended by a zero byte: the archive's name, `base.tar` or `16385.tar`, and the tablespace's place. */
function partOfArchive(bytes: Buffer): BackupPart {
  const [name = '', path = ''] = bytes.toString('utf8').split('\0')
  const oid = /^(\d+)\.tar$/.exec(name)?.[1]
  return oid === undefined ? { kind: 'base' } : { kind: 'tablespace', oid, path }
}
