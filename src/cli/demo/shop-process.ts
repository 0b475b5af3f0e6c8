/** The demo's shop: a process of its own that takes orders until it is told to stop or its parent is gone. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import type { OrderMessage } from './order.ts'
import { OrderMaker, OrderWriter } from './order-writer.ts'

const ORDER_EVERY_MS = 20

let open = true
process.on('message', () => {
  open = false
})
process.on('disconnect', () => {
  open = false
})

await takeOrders(process.argv[2] ?? '')

async function takeOrders(path: string): Promise<void> {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON')
  const [maker, writer] = [new OrderMaker(db), new OrderWriter(db)]
  while (open) {
    const order = maker.next(new Date().toISOString().slice(0, 19).replace('T', ' '))
    const started = performance.now()
    writer.write(order)
    tell({ order, waitedMs: performance.now() - started })
    await wait(ORDER_EVERY_MS)
  }
  db.close()
  process.disconnect?.()
}

function tell(message: OrderMessage): void {
  // Without a callback, a parent that is just ending would end us with an error.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
