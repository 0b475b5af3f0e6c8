import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../base/errors.ts'
import type { Order } from './order.ts'
import { OrderWriter } from './order-writer.ts'

export interface Verified {
  readonly tables: number
  readonly rows: number
  /** Orders of the shop that came back, in addition to the sample's. */
  readonly orders: number
}

export interface VerifyOptions {
  readonly restored: string
  /** The database that the shop began with. */
  readonly sample: string
  /** All orders that the shop committed, also those after the backup. */
  readonly orders: readonly Order[]
  /** How many of them were committed before the backup began: so many at least must be back. */
  readonly atLeast: number
  readonly scratchDir: string
}

/**
 * Compares every row of the restored database with a reference that knows nothing of backups: the sample plus the orders
 * that the shop itself reported, up to the last one that the restored database holds.
 */
export function verifyRestored(options: VerifyOptions): Verified {
  // A copy: opening a database in WAL mode leaves files beside it.
  const copy = join(options.scratchDir, 'restored.db')
  copyFileSync(options.restored, copy)
  const restored = new DatabaseSync(copy)
  const reference = makeReference(options, lastOrder(restored))
  try {
    const tables = tableNames(reference.db)
    expectEqual('tables', tableNames(restored), tables)
    const rows = tables.reduce((sum, table) => sum + compareTable(table, restored, reference.db), 0)
    if (reference.orders < options.atLeast) {
      throw new AppError('verification-failed', `only ${reference.orders} of ${options.atLeast} orders came back`)
    }
    return { tables: tables.length, rows, orders: reference.orders }
  } finally {
    restored.close()
    reference.db.close()
  }
}

function lastOrder(db: DatabaseSync): number {
  return Number(db.prepare('SELECT max(InvoiceId) AS id FROM Invoice').get()?.id)
}

function makeReference(options: VerifyOptions, lastInvoiceId: number): { db: DatabaseSync; orders: number } {
  const path = join(options.scratchDir, 'reference.db')
  copyFileSync(options.sample, path)
  const db = new DatabaseSync(path)
  db.exec('PRAGMA synchronous = OFF')
  const writer = new OrderWriter(db)
  const orders = options.orders.filter(order => order.invoiceId <= lastInvoiceId)
  for (const order of orders) writer.write(order)
  return { db, orders: orders.length }
}

function tableNames(db: DatabaseSync): string[] {
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
  return rows.map(row => String(row.name))
}

/** Returns how many rows were compared. */
function compareTable(table: string, restored: DatabaseSync, reference: DatabaseSync): number {
  const select = `SELECT rowid AS "rowid#", * FROM "${table}" ORDER BY rowid`
  const [found, wanted] = [restored.prepare(select).all(), reference.prepare(select).all()]
  expectEqual(`rows of ${table}`, found.length, wanted.length)
  wanted.forEach((row, at) => expectEqual(`row ${at + 1} of ${table}`, found[at], row))
  return wanted.length
}

function expectEqual(what: string, found: unknown, wanted: unknown): void {
  if (isDeepStrictEqual(found, wanted)) return
  throw new AppError('verification-failed', `${what}: found ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
}
