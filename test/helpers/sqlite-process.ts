import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** An application of its own process that has a SQLite database open. Locks of one process do not show in itself. */
export class SqliteProcess {
  readonly #process: ChildProcess

  constructor(path: string) {
    this.#process = fork(join(import.meta.dirname, 'sqlite-process-main.ts'), [path], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  async exec(sql: string): Promise<void> {
    this.#process.send(sql)
    const [reply] = (await once(this.#process, 'message')) as [{ ok: boolean; message?: string }]
    if (!reply.ok) throw new Error(reply.message)
  }

  /** As after a power cut: nothing is closed, checkpointed or rolled back. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}
