import { AppError, isAppError } from '../base/errors.ts'
import { type Failed, type failed, failedJson, type Json } from '../outputs/fields.ts'
import type { Call } from './command.ts'
import { formatError } from './printers/text.ts'

/**
 * Goes through several repositories. One that fails must not keep the others from it: it is named on stderr, and the
 * command ends with its exit code. Where all fail there is nothing but the error, which is thrown.
 */
export class SeveralRepositories {
  readonly #call: Call
  readonly #failures: Failed[] = []
  #told = 0
  #succeeded = false

  constructor(call: Call) {
    this.#call = call
  }

  /** What `work` gave for each that did not fail. */
  async each<T>(names: Iterable<string>, work: (name: string) => Promise<T>): Promise<T[]> {
    const results: T[] = []
    const one = async function* (name: string): AsyncGenerator<T> {
      yield await work(name)
    }
    for await (const result of this.through(names, one)) results.push(result)
    return results
  }

  /** The same for what comes piece by piece. */
  async *through<T>(names: Iterable<string>, work: (name: string) => AsyncIterable<T>): AsyncGenerator<T> {
    for (const name of names) {
      try {
        yield* work(name)
        this.#succeeded = true
      } catch (error) {
        if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
        this.#failures.push({ repository: name, error })
      }
      if (this.#succeeded) this.#tell()
    }
    // The first is thrown, and so told by whoever catches it.
    if (this.#succeeded) return
    const [first] = this.#failures
    this.#told = 1
    this.#tell()
    if (first !== undefined) throw first.error
  }

  /** The one to end with. */
  get failure(): AppError | undefined {
    return this.#failures[0]?.error
  }

  /** For the JSON document of a command that has room for them. */
  get failed(): Json<typeof failed> {
    return failedJson(this.#failures)
  }

  #tell(): void {
    const { stderr, err } = this.#call.terminal
    for (; this.#told < this.#failures.length; this.#told++) {
      const { repository, error } = this.#failures[this.#told] as Failed
      stderr.write(`${repository}: ${formatError(error, err)}`)
    }
  }
}
