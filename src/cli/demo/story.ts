import { formatDuration } from '../../base/durations.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Paint } from '../terminal.ts'
import type { DemoBackup, DemoEvent } from './demo.ts'

const COMMAND_WIDTH = 37

/** Turns what happened into what a newcomer reads, step by step. */
export class Story {
  readonly #paint: Paint
  #step = 0
  #firstStored = 0

  constructor(paint: Paint) {
    this.#paint = paint
  }

  title(dir: string): string {
    return (
      `${this.#paint('bold', 'A shop’s database, backed up while it is in use, lost, and brought back.')}\n` +
      `Everything happens in ${dir}; nothing else is touched.\n`
    )
  }

  tell(event: DemoEvent): string {
    switch (event.step) {
      case 'opened':
        return this.#paragraph('The shop opens', [
          `shop.db (${formatSize(event.sizeBytes)}, the Chinook sample) is in use: another process writes orders all the time.`,
        ])
      case 'initialised':
        return this.#command('init --yes', ['An encrypted repository in backups/, its password in .lifeboat/password.'])
      case 'backed-up':
        return this.#tellBackup(event.backup, event.newOrders)
      case 'destroyed':
        return this.#disaster(event.ordersAfterBackup)
      case 'restored':
        return this.#command('restore shop latest --to shop.db', [
          `${formatSize(event.sizeBytes)} back in ${formatDuration(event.durationMs)}, checked before it was put in place.`,
        ])
      case 'verified':
        return this.#tellVerified(event.verified)
      case 'checked':
        return this.#command('check --read-data', [
          `Every byte of the repository read and found whole, in ${formatDuration(event.durationMs)}.`,
        ])
      case 'reopened':
        return this.#paragraph('The shop is open again', [`${event.orders} new orders are in the restored database.`])
    }
  }

  /** `dir` as a person types it after `cd`, `own` as they start us there. */
  next(dir: string, own: string): string {
    const line = (command: string, why: string): string =>
      `  ${this.#paint('cyan', `${own} ${command}`.padEnd(own.length + COMMAND_WIDTH))} ${this.#paint('dim', why)}\n`
    return (
      `\n${this.#paint('bold', 'Go on')} with what is left:\n\n  ${this.#paint('cyan', `cd ${dir}`)}\n` +
      line('snapshots', 'the two recovery points') +
      line('restore shop latest --to ./copy.db', 'one more copy, beside the shop') +
      line('restore shop --yes', 'over what is there, which is made safe first') +
      line('undo --yes', 'and that taken back') +
      line('backup', 'a third') +
      line('forget shop --keep-last 1 --prune', 'keep only the newest') +
      `\n${this.#paint('bold', 'Your own data:')} in its folder, ${this.#paint('cyan', 'lifeboat init')} finds it and proposes a lifeboat.yaml.\n`
    )
  }

  #tellBackup(backup: DemoBackup, newOrders: number): string {
    const { bytesRead, bytesStored, durationMs, ordersMeanwhile, longestOrderMs } = backup
    const first = this.#firstStored === 0
    if (first) this.#firstStored = bytesStored
    const cost = `read ${formatSize(bytesRead)}, stored ${formatSize(bytesStored)} in ${formatDuration(durationMs)}`
    const share = `${Math.round((100 * bytesStored) / this.#firstStored)} % of the first`
    return this.#command('backup', [
      first ? `The first: ${cost}.` : `${newOrders} orders later: ${cost}, ${this.#paint('bold', share)}.`,
      `Meanwhile the shop took ${ordersMeanwhile} orders, the slowest in ${longestOrderMs} ms.`,
    ])
  }

  #disaster(ordersAfterBackup: number): string {
    return this.#paragraph(this.#paint('red', 'Disaster'), [
      'The shop is killed, and shop.db, shop.db-wal and shop.db-shm are deleted.',
      `Gone for good: the ${ordersAfterBackup} orders since the last backup. How many that may be, the schedule decides.`,
    ])
  }

  #tellVerified({ tables, rows, orders }: { tables: number; rows: number; orders: number }): string {
    return this.#paragraph(this.#paint('green', 'Verified, row for row'), [
      `All ${rows} rows of ${tables} tables equal what the shop itself had recorded as committed,`,
      `${orders} new orders among them: nothing lost, nothing half done, nothing made up.`,
    ])
  }

  #command(command: string, lines: readonly string[]): string {
    return this.#paragraph(this.#paint('cyan', `lifeboat ${command}`), lines)
  }

  #paragraph(title: string, lines: readonly string[]): string {
    const number = this.#paint('dim', String(++this.#step).padStart(2))
    return `\n${number}  ${title}\n${lines.map(line => `    ${line}\n`).join('')}`
  }
}
