import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSelection } from '../../src/sources/source.ts'
import type { DrainedSnapshot } from './drained-snapshot.ts'

export interface RestoreOrder {
  /** As in a configuration; default kind: `postgres`. */
  readonly options: { readonly kind?: string; readonly [key: string]: unknown }
  readonly target: string
  readonly keepAs: string
  readonly selection?: DatabaseSelection
  readonly delta?: boolean
  /** As in `RestoreRequest`. */
  readonly own?: object
  /** Where it waits to be killed; `never`: it runs to its end. */
  readonly holdAt: 'before' | 'after' | 'never'
}

interface Place {
  readonly at: 'before' | 'after'
  readonly token?: string
  readonly writtenBytes?: number
}

let serial = 0

/** A restore in a process of its own, for being killed at a point that is known. */
export class RestoreProcess {
  readonly #process: ChildProcess
  readonly #places: Place[] = []
  #wake: () => void = () => {}

  private constructor(child: ChildProcess) {
    this.#process = child
    child.on('message', message => {
      this.#places.push(message as Place)
      this.#wake()
    })
    child.once('exit', () => this.#wake())
  }

  static async start(dir: string, snapshot: DrainedSnapshot, order: RestoreOrder): Promise<RestoreProcess> {
    const file = join(dir, `order-${++serial}.json`)
    const { id, manifest, entries } = snapshot
    const text = JSON.stringify({ ...order, id, manifest, entries }, (_, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    )
    await writeFile(file, text)
    return new RestoreProcess(fork(join(import.meta.dirname, 'postgres-restore-main.ts'), [file]))
  }

  /** Resolves when it is there; throws when it ended before. */
  async reach(at: Place['at']): Promise<Place> {
    for (;;) {
      const place = this.#places.find(each => each.at === at)
      if (place) return place
      if (this.#process.exitCode !== null) throw new Error(`the restore ended with ${this.#process.exitCode}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}
