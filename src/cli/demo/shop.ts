import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { programFile } from '../../base/package.ts'
import { toolEnvironment } from '../../base/plain-environment.ts'
import type { Order, OrderMessage } from './order.ts'

/**
 * The application that uses the database: a process of its own, taking orders all the time. Every order it committed is
 * known here too, independent of the database.
 */
export class Shop {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #orders: Order[] = []
  #longestWaitMs = 0

  /** Opens the shop on an existing Chinook database. */
  static open(path: string): Shop {
    return new Shop(
      fork(programFile('cli/demo/shop-process'), [path], {
        // Nobody needs to read that node:sqlite is young.
        execArgv: ['--disable-warning=ExperimentalWarning'],
        env: toolEnvironment(),
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    )
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#ended = once(child, 'exit')
    child.on('message', ({ order, waitedMs }: OrderMessage) => {
      this.#orders.push(order)
      this.#longestWaitMs = Math.max(this.#longestWaitMs, waitedMs)
    })
  }

  /** Committed so far, oldest first. */
  get orders(): readonly Order[] {
    return this.#orders
  }

  /** The longest that an order took since the last call. */
  takeLongestWaitMs(): number {
    const longest = this.#longestWaitMs
    this.#longestWaitMs = 0
    return longest
  }

  /** Resolves when `count` more orders have come in. */
  async waitForOrders(count: number, signal: AbortSignal): Promise<void> {
    const wanted = this.#orders.length + count
    const gone = this.#ended.then(() => {
      throw new AppError('failed', 'the demo shop ended by itself')
    })
    gone.catch(() => {})
    while (this.#orders.length < wanted) {
      throwIfAborted(signal)
      await Promise.race([once(this.#child, 'message'), gone])
    }
  }

  /** As on a bad day: no last words, no checkpoint. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Takes no more orders and closes the database. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.send('close')
    await this.#ended
  }
}
