import { Duplex } from 'node:stream'
import { callbackify } from 'node:util'
import type { Child } from '../../base/child.ts'

/** The pipes of a program as one stream of both directions. Whoever destroys it has the program stopped by its `Child`. */
export function duplexOf(child: Child): Duplex {
  const parts = child.parts()
  const send = async (chunks: readonly Uint8Array[]): Promise<void> => {
    const last = chunks.at(-1)
    if (last === undefined) return
    child.send(chunks.slice(0, -1))
    if (!(await child.write(last))) throw new Error('rclone takes no more')
  }
  return new Duplex({
    read() {
      parts.next().then(
        ({ value, done }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      )
    },
    write: callbackify((chunk: Uint8Array, _encoding: unknown) => send([chunk])),
    writev: callbackify((chunks: ReadonlyArray<{ chunk: Uint8Array }>) => send(chunks.map(({ chunk }) => chunk))),
    final: done => {
      child.endInput()
      done()
    },
  })
}
