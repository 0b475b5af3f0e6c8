import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface WriterReport {
  readonly transactions: number
  /** The longest any transaction took, waiting included. */
  readonly longestMs: number
}

/** A process that writes to a SQLite database at full speed until stopped. See `busy-writer-main.ts`. */
export class BusyWriter {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  static async start(path: string, journalMode = 'wal', pageSize = 4096): Promise<BusyWriter> {
    const child = fork(join(import.meta.dirname, 'busy-writer-main.ts'), [path, journalMode, String(pageSize)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    await once(child, 'message')
    return new BusyWriter(child)
  }

  async stop(): Promise<WriterReport> {
    const report = once(this.#process, 'message') as Promise<[WriterReport]>
    const exited = once(this.#process, 'exit')
    this.#process.send('stop')
    await exited
    return (await report)[0]
  }

  /** In the middle of whatever it does. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}

/** What must hold in every whole state of the database; empty when it does. Also the number of moves. */
export function examineLedger(path: string): { readonly broken: string[]; readonly moves: number } {
  const db = new DatabaseSync(path)
  try {
    const one = (sql: string): unknown => Object.values(db.prepare(sql).get() ?? {})[0]
    const broken: string[] = []
    const expect = (name: string, found: unknown, wanted: unknown): void => {
      if (found !== wanted) broken.push(`${name}: ${String(found)} instead of ${String(wanted)}`)
    }
    expect('integrity', one('PRAGMA integrity_check'), 'ok')
    expect('sum', one('SELECT sum(balance) FROM accounts'), 0)
    const moves = Number(one('SELECT count(*) FROM moves'))
    expect('state', one('SELECT n FROM state'), moves)
    expect('last id', one('SELECT coalesce(max(id), 0) FROM moves'), moves)
    db.exec('CREATE TEMP TABLE by_source AS SELECT source, sum(amount) AS total FROM moves GROUP BY source')
    db.exec('CREATE TEMP TABLE by_target AS SELECT target, sum(amount) AS total FROM moves GROUP BY target')
    expect(
      'balances',
      one(`SELECT count(*) FROM accounts a LEFT JOIN by_source s ON s.source = a.id LEFT JOIN by_target t ON t.target = a.id
        WHERE balance != coalesce(t.total, 0) - coalesce(s.total, 0)`),
      0,
    )
    return { broken, moves }
  } finally {
    db.close()
  }
}
