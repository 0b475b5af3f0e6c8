import { ERROR_CODES } from '../base/error-codes.ts'
import type { Finding } from '../model/finding.ts'
import type { Call, Output } from './command.ts'
import { formatFinding } from './printers/text.ts'
import type { SeveralRepositories } from './several-repositories.ts'

/** What a command that only looks could not look at. It goes on with the rest, and its exit code says so in the end. */
export class Damage {
  readonly #call: Call
  readonly #repositories: SeveralRepositories | undefined
  #found = false

  constructor(call: Call, repositories?: SeveralRepositories) {
    this.#call = call
    this.#repositories = repositories
  }

  readonly tell = (finding: Finding): void => {
    if (finding.severity === 'error') this.#found = true
    this.#call.terminal.stderr.write(formatFinding(finding, this.#call.terminal.err))
  }

  /** The exit code is asked for when all of the text was written. */
  output<Json>(output: Output<Json>): Output<Json> {
    const exitCode = (): number => this.#repositories?.failure?.exitCode ?? (this.#found ? ERROR_CODES.damaged.exit : 0)
    return {
      ...output,
      get exitCode() {
        return exitCode()
      },
    }
  }
}
