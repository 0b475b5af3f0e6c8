import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { runTool } from '../../base/process.ts'
import { prepareFolder, SAMPLE } from './folder.ts'
import { OWN_BIN } from './own-command.ts'
import { Shop } from './shop.ts'
import { type Verified, verifyRestored } from './verify.ts'

/** What one backup of the demo cost, and what the shop noticed of it. */
export interface DemoBackup {
  readonly bytesRead: number
  readonly bytesNew: number
  readonly bytesStored: number
  readonly durationMs: number
  /** Orders taken while the command ran. */
  readonly ordersMeanwhile: number
  /** The longest that one of them took. */
  readonly longestOrderMs: number
}

export type DemoEvent =
  | { readonly step: 'opened'; readonly sizeBytes: number }
  | { readonly step: 'initialised' }
  | { readonly step: 'backed-up'; readonly backup: DemoBackup; readonly newOrders: number }
  | { readonly step: 'destroyed'; readonly ordersAfterBackup: number }
  | { readonly step: 'restored'; readonly sizeBytes: number; readonly durationMs: number }
  | { readonly step: 'verified'; readonly verified: Verified }
  | { readonly step: 'checked'; readonly durationMs: number }
  | { readonly step: 'reopened'; readonly orders: number }

const ORDERS_BETWEEN = 60

/**
 * The main job for real: a shop in use, two backups, the loss of its database, the way back, and the proof. The backups
 * and the restore are this program's own commands, started as a person would.
 */
export async function* runDemo(dir: string, signal: AbortSignal): AsyncGenerator<DemoEvent> {
  await prepareFolder(dir)
  const database = join(dir, 'shop.db')
  const scratchDir = mkdtempSync(join(tmpdir(), 'lifeboat-demo-'))
  let shop = Shop.open(database)
  try {
    await shop.waitForOrders(5, signal)
    yield { step: 'opened', sizeBytes: statSync(database).size }
    await runOwn(dir, ['init', '--yes'], signal)
    yield { step: 'initialised' }
    yield { step: 'backed-up', backup: await backUp(dir, shop, signal), newOrders: 0 }
    const before = shop.orders.length
    await shop.waitForOrders(ORDERS_BETWEEN, signal)
    const atLeast = shop.orders.length
    yield { step: 'backed-up', backup: await backUp(dir, shop, signal), newOrders: atLeast - before }
    // So many that the newest message surely is of an order after the backup: the log before it is complete.
    await shop.waitForOrders(10, signal)
    await shop.kill()
    for (const end of ['', '-wal', '-shm']) rmSync(`${database}${end}`, { force: true })
    const restored = await restore(dir, database, signal)
    const verified = verifyRestored({ restored: database, sample: SAMPLE, orders: shop.orders, atLeast, scratchDir })
    yield { step: 'destroyed', ordersAfterBackup: shop.orders.length - verified.orders }
    yield restored
    yield { step: 'verified', verified }
    yield await check(dir, signal)
    shop = Shop.open(database)
    await shop.waitForOrders(5, signal)
    await shop.close()
    yield { step: 'reopened', orders: shop.orders.length }
  } finally {
    await shop.kill()
    rmSync(scratchDir, { recursive: true, force: true })
  }
}

async function backUp(dir: string, shop: Shop, signal: AbortSignal): Promise<DemoBackup> {
  const before = shop.orders.length
  shop.takeLongestWaitMs()
  const { sources } = (await runOwn(dir, ['backup'], signal)) as { sources: ReadonlyArray<Record<string, unknown>> }
  const [result] = sources
  return {
    bytesRead: figure(result, 'bytesRead'),
    bytesNew: figure(result, 'bytesNew'),
    bytesStored: figure(result, 'bytesStored'),
    durationMs: figure(result, 'durationMs'),
    ordersMeanwhile: shop.orders.length - before,
    longestOrderMs: Math.round(shop.takeLongestWaitMs()),
  }
}

async function restore(dir: string, database: string, signal: AbortSignal): Promise<DemoEvent> {
  const started = performance.now()
  await runOwn(dir, ['restore', 'shop', 'latest', '--to', database], signal)
  return { step: 'restored', sizeBytes: statSync(database).size, durationMs: Math.round(performance.now() - started) }
}

async function check(dir: string, signal: AbortSignal): Promise<DemoEvent> {
  const started = performance.now()
  await runOwn(dir, ['check', '--read-data'], signal)
  return { step: 'checked', durationMs: Math.round(performance.now() - started) }
}

/** Runs one of our commands in the demo's folder and returns its `--json` answer. */
async function runOwn(dir: string, args: readonly string[], signal: AbortSignal): Promise<unknown> {
  const command = [OWN_BIN, ...args, '--json', '--config', join(dir, 'lifeboat.yaml')]
  const { code, stdout, stderr } = await runTool(process.execPath, command, { signal })
  if (code === 0) return JSON.parse(stdout.toString('utf8'))
  throw new AppError('failed', `lifeboat ${args.join(' ')} ended with ${code}: ${stderr.trim()}`)
}

function figure(record: Record<string, unknown> | undefined, name: string): number {
  const value = record?.[name]
  if (typeof value === 'number') return value
  throw new AppError('failed', `the answer of lifeboat backup has no ${name}`)
}
