import { SftpConnectionError } from './errors.ts'
import { encodePacket, HEAD_BYTES, LONGEST_PACKET, PacketReader, protocolError, TYPE, VERSION } from './packets.ts'

/** Two pipes to a server of SFTP. */
export interface Channel {
  /** What the server sends, as it comes; ends when the server is gone. */
  readonly parts: () => AsyncIterable<Buffer>
  /** Sends without waiting. After `stop` it touches none of these bytes any more. */
  readonly send: (parts: readonly Uint8Array[]) => void
  /**
   * Ends the connection. Resolves, with what is known about why it ended, when it has.
   * @param hungUp the server did it already
   */
  readonly stop: (hungUp: boolean) => Promise<SftpConnectionError | undefined>
}

export interface Reply {
  readonly type: number
  readonly content: PacketReader
}

/** Memory that an answer's data goes to, for as long as whoever gave it wants it. */
export interface Destination {
  readonly into: Buffer
  readonly isWanted: () => boolean
}

interface Pending {
  readonly destination: Destination | undefined
  readonly resolve: (reply: Reply | number) => void
  readonly reject: (error: Error) => void
}

/** Anything may be written by the shell of a host before SFTP begins, or instead of it. */
const FIRST_WORDS_BYTES = 60

/**
 * Requests and their answers over one channel: any number at once, told apart by their ids. A server that sends what it
 * must not, that says nothing for `stallMs` while it is asked something, or that is gone ends the connection, and with it
 * all that is under way.
 */
export class Connection {
  readonly #channel: Channel
  readonly #stallMs: number
  readonly #pending = new Map<number, Pending>()
  readonly #watch: NodeJS.Timeout
  readonly #parts: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)
  #nextId = 0
  #heardAtMs = performance.now()
  #ending: Promise<void> | undefined
  #failure: SftpConnectionError | undefined
  #isIdle = false
  #hungUp = false

  constructor(channel: Channel, stallMs: number) {
    this.#channel = channel
    this.#stallMs = stallMs
    this.#parts = channel.parts()[Symbol.asyncIterator]()
    this.#watch = setInterval(() => this.#lookForStall(), stallMs / 4).unref()
  }

  /** Ended, or about to: whoever needs one opens another. */
  get hasEnded(): boolean {
    return this.#ending !== undefined
  }

  /** Begins the protocol; gives the extensions that the server offers. */
  async greet(): Promise<ReadonlyMap<string, string>> {
    this.#channel.send([encodePacket(TYPE.init, undefined, [{ uint32: VERSION }])])
    try {
      const content = await this.#receiveGreeting()
      const version = content.uint32()
      if (version < VERSION) throw protocolError(`version ${version} of SFTP, which is too old`)
      const extensions = new Map<string, string>()
      while (!content.isAtEnd) extensions.set(content.name(), content.name())
      this.#isIdle = true
      void this.#receiveAnswers()
      return extensions
    } catch (error) {
      await this.#end(asConnectionError(error))
      throw this.#failure ?? error
    }
  }

  /** Sends one packet, its `id` filled in. Gives the answer, or the number of bytes that went to the destination. */
  request(makePackets: (id: number) => readonly Uint8Array[], destination?: Destination): Promise<Reply | number> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = this.#nextId
    this.#nextId = (id + 1) % 2 ** 32
    const answer = new Promise<Reply | number>((resolve, reject) => {
      this.#pending.set(id, { destination, resolve, reject })
    })
    if (this.#isIdle) this.#heardAtMs = performance.now()
    this.#isIdle = false
    if (!this.hasEnded) this.#channel.send(makePackets(id))
    return answer
  }

  /** Ends it; what is under way fails. Memory that was given is free when this resolves. */
  async end(error = new SftpConnectionError('lost', 'the connection was closed')): Promise<void> {
    await this.#end(error)
  }

  #end(error: SftpConnectionError): Promise<void> {
    this.#ending ??= (async () => {
      clearInterval(this.#watch)
      const known = await this.#channel.stop(this.#hungUp)
      // Only of what just broke off can the program beside us say why.
      this.#failure = this.#hungUp ? (known ?? error) : error
      for (const { reject } of this.#pending.values()) reject(this.#failure)
      this.#pending.clear()
    })()
    return this.#ending
  }

  #lookForStall(): void {
    if (this.#isIdle || performance.now() - this.#heardAtMs < this.#stallMs) return
    const seconds = Math.round(this.#stallMs / 1000)
    void this.#end(new SftpConnectionError('stalled', `nothing came from the server for ${seconds} s`))
  }

  async #receiveAnswers(): Promise<void> {
    const head = Buffer.alloc(HEAD_BYTES)
    try {
      for (;;) {
        await this.#fill(head)
        const length = head.readUInt32BE(0)
        if (length < HEAD_BYTES - 4 || length > LONGEST_PACKET) throw protocolError(`a packet of ${length} bytes`)
        await this.#receiveAnswer(head, length + 4 - HEAD_BYTES)
      }
    } catch (error) {
      await this.#end(asConnectionError(error))
    }
  }

  /** @param left bytes of the packet behind its head */
  async #receiveAnswer(head: Buffer, left: number): Promise<void> {
    const [type = 0, id, first] = [head[4], head.readUInt32BE(5), head.readUInt32BE(9)]
    const pending = this.#pending.get(id)
    if (!pending) throw protocolError('an answer to what was not asked')
    if (pending.destination && type === TYPE.data) {
      const { into } = pending.destination
      if (first !== left || first > into.length) throw protocolError('more data than was asked for')
      if (first === 0) throw protocolError('no data where there should be some')
      await this.#receiveData(pending.destination, first)
      this.#settle(id)
      pending.resolve(first)
      return
    }
    const content = Buffer.allocUnsafe(4 + left)
    head.copy(content, 0, HEAD_BYTES - 4)
    await this.#fill(content.subarray(4))
    this.#settle(id)
    pending.resolve({ type, content: new PacketReader(content) })
  }

  #settle(id: number): void {
    this.#pending.delete(id)
    this.#isIdle = this.#pending.size === 0
  }

  async #receiveData({ into, isWanted }: Destination, length: number): Promise<void> {
    for (let at = 0; at < length; ) {
      const part = this.#rest.length > 0 ? this.#rest : await this.#nextPart()
      const count = Math.min(part.length, length - at)
      // Looked at anew after each wait: the memory may have been taken back meanwhile.
      if (isWanted()) part.copy(into, at, 0, count)
      at += count
      this.#rest = part.subarray(count)
    }
  }

  async #receiveGreeting(): Promise<PacketReader> {
    const head = Buffer.alloc(5)
    await this.#fill(head)
    const length = head.readUInt32BE(0)
    if (head[4] !== TYPE.version || length < 5 || length > LONGEST_PACKET) {
      const words = Buffer.concat([head, this.#rest]).subarray(0, FIRST_WORDS_BYTES).toString('latin1')
      const shown = JSON.stringify(words.replace(/[^ -~]+/g, ' ').trim())
      throw new SftpConnectionError('no-sftp', `something else than SFTP answers: ${shown}`)
    }
    const content = Buffer.allocUnsafe(length - 1)
    await this.#fill(content)
    return new PacketReader(content)
  }

  async #fill(into: Buffer): Promise<void> {
    await this.#receiveData({ into, isWanted: () => true }, into.length)
  }

  async #nextPart(): Promise<Buffer> {
    const next = await this.#parts.next()
    if (next.done === true) {
      this.#hungUp = true
      throw new SftpConnectionError('lost', 'the server closed the connection')
    }
    this.#heardAtMs = performance.now()
    return next.value
  }
}

function asConnectionError(error: unknown): SftpConnectionError {
  if (error instanceof SftpConnectionError) return error
  return new SftpConnectionError('lost', error instanceof Error ? error.message : String(error))
}
