import { ERROR_CODES } from '../base/error-codes.ts'
import type { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Call, Output } from './command.ts'
import { formatFinding } from './printers/text.ts'

/** What a command that only looks could not look at. It goes on with the rest, and its exit code says so in the end. */
export class Damage {
  /** A repository that could not be opened. */
  failure: AppError | undefined
  readonly #call: Call
  #found = false

  constructor(call: Call) {
    this.#call = call
  }

  readonly tell = (finding: Finding): void => {
    if (finding.severity === 'error') this.#found = true
    this.#call.terminal.stderr.write(formatFinding(finding, this.#call.terminal.err))
  }

  /** The exit code is asked for when all of the text was written. */
  output(output: Output): Output {
    const exitCode = (): number => this.failure?.exitCode ?? (this.#found ? ERROR_CODES.damaged.exit : 0)
    return {
      ...output,
      get exitCode() {
        return exitCode()
      },
    }
  }
}
