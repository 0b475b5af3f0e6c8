import type { Channel } from '../../src/clients/sftp/connection.ts'
import { encodePacket, TYPE } from '../../src/clients/sftp/packets.ts'

export interface Request {
  readonly type: number
  readonly id: number
  readonly body: Buffer
}

/** Gives what to send back, in the pieces in which it is to arrive; `hang-up` closes. */
export type Answering = (request: Request) => ReadonlyArray<Uint8Array | 'hang-up'>

/** The other end of a client of SFTP: answers as it is told, right or wrong. */
export class FakeSftpServer implements Channel {
  readonly requests: Request[] = []
  isStopped = false
  readonly #answer: Answering
  #waiting: Buffer = Buffer.alloc(0)
  #ready: Array<Buffer | 'hang-up'> = []
  #wake = (): void => {}

  /** @param greeting what it sends at first; `undefined`: the right thing */
  constructor(
    answer: Answering,
    greeting: Uint8Array | 'hang-up' = encodePacket(TYPE.version, undefined, [{ uint32: 3 }]),
  ) {
    this.#answer = answer
    this.#say([greeting])
  }

  send(parts: readonly Uint8Array[]): void {
    this.#waiting = Buffer.concat([this.#waiting, ...parts])
    while (this.#waiting.length >= 4 && this.#waiting.length >= 4 + this.#waiting.readUInt32BE(0)) {
      const end = 4 + this.#waiting.readUInt32BE(0)
      const packet = this.#waiting.subarray(0, end)
      this.#waiting = this.#waiting.subarray(end)
      if (packet[4] === TYPE.init) continue
      const request = { type: packet[4] ?? 0, id: packet.readUInt32BE(5), body: packet.subarray(9) }
      this.requests.push(request)
      this.#say(this.#answer(request))
    }
  }

  async *parts(): AsyncGenerator<Buffer> {
    for (;;) {
      const next = this.#ready.shift()
      if (next === 'hang-up' || this.isStopped) return
      if (next) yield next
      else await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  async stop(): Promise<undefined> {
    this.isStopped = true
    this.#wake()
  }

  /** Sends something that belongs to an earlier answer. */
  sayLater(bytes: Buffer): void {
    this.#say([bytes])
  }

  #say(answers: ReadonlyArray<Uint8Array | 'hang-up'>): void {
    this.#ready.push(...answers.map(answer => (answer === 'hang-up' ? answer : Buffer.from(answer))))
    this.#wake()
  }
}

export function statusPacket(id: number, status: number, message = ''): Buffer {
  return encodePacket(TYPE.status, id, [{ uint32: status }, message, ''])
}
