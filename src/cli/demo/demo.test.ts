import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { prepareFolder, SAMPLE } from './folder.ts'
import type { Order } from './order.ts'
import { OrderMaker, OrderWriter } from './order-writer.ts'
import { Shop } from './shop.ts'
import { verifyRestored } from './verify.ts'

let dir: string
let restored: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-demo-test-'))
  restored = join(dir, 'shop.db')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('verifyRestored', () => {
  it('compares every row with the sample and the orders that the database holds', () => {
    const orders = makeShop(12)
    const verified = verify([...orders, { ...last(orders), invoiceId: last(orders).invoiceId + 1, lines: [] }], 12)
    expect(verified).toEqual({ tables: 11, rows: 15_607 + 12 + linesOf(orders), orders: 12 })
  })

  it.each([
    ['a lost order', 'DELETE FROM InvoiceLine WHERE InvoiceId = 415; DELETE FROM Invoice WHERE InvoiceId = 415'],
    ['a half order', 'DELETE FROM InvoiceLine WHERE InvoiceLineId = (SELECT max(InvoiceLineId) FROM InvoiceLine)'],
    ['one changed value', 'UPDATE Track SET Milliseconds = Milliseconds + 1 WHERE TrackId = 99'],
    ['an invented row', "INSERT INTO Genre VALUES (99, 'Noise')"],
    ['a lost table', 'DROP TABLE PlaylistTrack'],
  ])('finds %s', (_what, damage) => {
    const orders = makeShop(12)
    change(`PRAGMA foreign_keys = OFF; ${damage}`)
    expect(() => verify(orders, 12)).toThrow(expect.objectContaining({ code: 'verification-failed' }))
  })

  it('finds that the newest orders before the backup are missing', () => {
    const orders = makeShop(12)
    expect(() => verify(orders, 13)).toThrow('only 12 of 13 orders came back')
  })
})

describe('prepareFolder', () => {
  it('makes a folder, and makes it anew without touching what others put there', async () => {
    const demo = join(dir, 'demo')
    await prepareFolder(demo)
    writeFileSync(join(demo, 'mine.txt'), 'mine')
    writeFileSync(join(demo, 'shop.db'), 'broken')
    await prepareFolder(demo)
    expect(readFileSync(join(demo, 'shop.db')).equals(readFileSync(SAMPLE))).toBe(true)
    expect(existsSync(join(demo, 'mine.txt'))).toBe(true)
  })

  it('refuses a folder that is not the demo’s', async () => {
    writeFileSync(join(dir, 'lifeboat.yaml'), 'precious')
    await expect(prepareFolder(dir)).rejects.toMatchObject({ code: 'target-exists' })
    expect(readFileSync(join(dir, 'lifeboat.yaml'), 'utf8')).toBe('precious')
  })
})

describe('Shop', () => {
  it('knows every order that is in its database', async () => {
    copyFileSync(SAMPLE, restored)
    const shop = Shop.open(restored)
    await shop.waitForOrders(5, new AbortController().signal)
    await shop.close()
    expect(shop.orders.length).toBeGreaterThanOrEqual(5)
    expect(verify(shop.orders, shop.orders.length).orders).toBe(shop.orders.length)
  })
})

function makeShop(count: number): Order[] {
  copyFileSync(SAMPLE, restored)
  const db = new DatabaseSync(restored)
  const [maker, writer] = [new OrderMaker(db), new OrderWriter(db)]
  const orders = Array.from({ length: count }, () => maker.next('2026-01-02 03:04:05'))
  for (const order of orders) writer.write(order)
  db.close()
  return orders
}

function change(sql: string): void {
  const db = new DatabaseSync(restored)
  db.exec(sql)
  db.close()
}

function verify(orders: readonly Order[], atLeast: number): ReturnType<typeof verifyRestored> {
  const scratchDir = mkdtempSync(join(dir, 'scratch-'))
  return verifyRestored({ restored, sample: SAMPLE, orders, atLeast, scratchDir })
}

function last(orders: readonly Order[]): Order {
  const order = orders.at(-1)
  if (!order) throw new Error('no orders')
  return order
}

function linesOf(orders: readonly Order[]): number {
  return orders.reduce((sum, order) => sum + order.lines.length, 0)
}
