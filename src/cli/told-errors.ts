import { ERROR_CODES } from '../base/error-codes.ts'
import type { Finding } from '../model/finding.ts'
import type { Output } from './command.ts'

/**
 * Errors that were told while a command did what it was asked to: whoever runs it by a timer sees its exit code only. Of
 * `wal push` and `wal fetch` they are warnings: a server that is told of a failure keeps its log, or ends its recovery.
 */
export class ToldErrors {
  readonly #counts: boolean
  #told = false

  constructor(command: string) {
    this.#counts = !/^wal (push|fetch)$/.test(command)
  }

  /** The finding as it is to be told. */
  note(finding: Finding): Finding {
    if (finding.severity !== 'error') return finding
    this.#told ||= this.#counts
    return this.#counts ? finding : { ...finding, severity: 'warning' }
  }

  /** Of a command that came to its end, and says so itself or told of errors on its way or in its findings. */
  exitCodeOf({ exitCode = 0, findings = [] }: Pick<Output, 'exitCode' | 'findings'>): number {
    for (const finding of findings) this.note(finding)
    return exitCode !== 0 || !this.#told ? exitCode : ERROR_CODES.incomplete.exit
  }
}
