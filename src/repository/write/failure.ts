import { AppError } from '../../base/errors.ts'

/** The first thing that went wrong in any part of a writing stops all of its parts. */
export class Failure {
  readonly #controller = new AbortController()
  readonly #tasks = new Set<Promise<void>>()
  readonly signal: AbortSignal
  #error: unknown

  /** @param signals the caller's and the lock's: when one fires, the writing has failed */
  constructor(...signals: readonly AbortSignal[]) {
    this.signal = AbortSignal.any([this.#controller.signal, ...signals])
  }

  /** What went wrong, or undefined. */
  get error(): unknown {
    if (this.#error !== undefined || !this.signal.aborted) return this.#error
    const reason: unknown = this.signal.reason
    return reason instanceof AppError ? reason : new AppError('interrupted', 'interrupted', { cause: reason })
  }

  /** Throws what went wrong, if anything did. */
  check(): void {
    const { error } = this
    if (error !== undefined) throw error
  }

  set(error: unknown): void {
    this.#error ??= error
    this.#controller.abort(error)
  }

  /** Lets a part go on by itself; its failure is everybody's. */
  follow(task: Promise<void>): void {
    const followed = task
      .catch((error: unknown) => this.set(error))
      .finally(() => {
        this.#tasks.delete(followed)
      })
    this.#tasks.add(followed)
  }

  /** Waits until nothing goes on by itself any more, then throws what went wrong, if anything did. */
  async settle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
    this.check()
  }

  /** Resolves when nothing goes on any more, whatever became of it. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
  }
}
