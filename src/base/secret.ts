import { inspect } from 'node:util'

/** A value that must not be printed: string conversion, JSON and `console.log` all give `***`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value in clear. Call it at the last moment and keep no copy. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}
