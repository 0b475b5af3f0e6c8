import { untilAborted } from '../../base/interruptible.ts'
import type { SftpClient } from '../../clients/sftp/index.ts'

interface Member {
  readonly client: Promise<SftpClient>
  calls: number
}

/**
 * Connections to one server. Another one is opened when a call that moves much finds the others busy. One that ended is
 * replaced when the next call comes.
 */
export class ConnectionPool {
  readonly #connect: () => Promise<SftpClient>
  readonly #members = new Set<Member>()
  /** Less where the server did not let in more. */
  #most: number

  constructor(connect: () => Promise<SftpClient>, mostConnections: number) {
    this.#connect = connect
    this.#most = mostConnections
  }

  /** @param isLong the call moves much */
  async use<T>(isLong: boolean, signal: AbortSignal | undefined, work: (client: SftpClient) => Promise<T>): Promise<T> {
    const { member, client } = await this.#enter(isLong, signal)
    try {
      return await work(client)
    } finally {
      member.calls--
    }
  }

  async close(): Promise<void> {
    const members = [...this.#members]
    this.#members.clear()
    await Promise.all(members.map(async ({ client }) => (await client.catch(() => undefined))?.end()))
  }

  async #enter(isLong: boolean, signal: AbortSignal | undefined): Promise<{ member: Member; client: SftpClient }> {
    for (;;) {
      const member = this.#choose(isLong)
      member.calls++
      try {
        const client = await untilAborted(member.client, signal)
        if (!client.hasEnded) return { member, client }
        this.#members.delete(member)
      } catch (error) {
        member.calls--
        if (signal?.aborted) throw error
        this.#members.delete(member)
        if (this.#members.size === 0) throw error
        // The others work: this server lets in no more.
        this.#most = this.#members.size
      }
    }
  }

  #choose(isLong: boolean): Member {
    const [best] = [...this.#members].sort((a, b) => a.calls - b.calls)
    if (best && (best.calls === 0 || !isLong || this.#members.size >= this.#most)) return best
    const member: Member = { client: this.#connect(), calls: 0 }
    member.client.catch(() => undefined)
    this.#members.add(member)
    return member
  }
}
