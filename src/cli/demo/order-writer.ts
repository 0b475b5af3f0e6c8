import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Order, OrderLine } from './order.ts'

/** Writes orders into a Chinook database; the shop and the reference that it is compared with both use it. */
export class OrderWriter {
  readonly #db: DatabaseSync
  readonly #invoice: StatementSync
  readonly #line: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#invoice = db.prepare(
      'INSERT INTO Invoice (InvoiceId, CustomerId, InvoiceDate, BillingCountry, Total) VALUES (?, ?, ?, ?, ?)',
    )
    this.#line = db.prepare(
      'INSERT INTO InvoiceLine (InvoiceLineId, InvoiceId, TrackId, UnitPrice, Quantity) VALUES (?, ?, ?, ?, 1)',
    )
  }

  /** One transaction: an order is there with all its lines or not at all. */
  write(order: Order): void {
    this.#db.exec('BEGIN IMMEDIATE')
    this.#invoice.run(order.invoiceId, order.customerId, order.date, order.country, order.total)
    for (const line of order.lines) this.#line.run(line.lineId, order.invoiceId, line.trackId, line.price)
    this.#db.exec('COMMIT')
  }
}

/** Makes up the next order: a customer of the shop buys one to four of its tracks. */
export class OrderMaker {
  readonly #db: DatabaseSync
  #invoiceId: number
  #lineId: number

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#invoiceId = Number(db.prepare('SELECT max(InvoiceId) AS id FROM Invoice').get()?.id)
    this.#lineId = Number(db.prepare('SELECT max(InvoiceLineId) AS id FROM InvoiceLine').get()?.id)
  }

  next(date: string): Order {
    const customer = this.#pick('SELECT CustomerId AS id, Country AS country FROM Customer')
    const lines: OrderLine[] = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => {
      const track = this.#pick('SELECT TrackId AS id, UnitPrice AS price FROM Track')
      return { lineId: ++this.#lineId, trackId: Number(track.id), price: Number(track.price) }
    })
    const cents = lines.reduce((sum, line) => sum + Math.round(line.price * 100), 0)
    return {
      invoiceId: ++this.#invoiceId,
      customerId: Number(customer.id),
      date,
      country: String(customer.country),
      total: cents / 100,
      lines,
    }
  }

  #pick(select: string): Record<string, unknown> {
    return this.#db.prepare(`${select} ORDER BY random() LIMIT 1`).get() ?? {}
  }
}
