import { parseDuration } from '../base/durations.ts'
import { AppError } from '../base/errors.ts'
import { parseRate } from '../base/rates.ts'

/** Arguments and options of one call, by name, with their types checked where they are read. */
export class Values {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** Of a counted flag; 0 when it was not given. */
  number(name: string): number {
    const value = this.#values[name]
    return typeof value === 'number' ? value : 0
  }

  /** Of a required argument. */
  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new AppError('usage', `missing ${name}`)
    return value
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** A whole number of at least `least`. */
  count(name: string, flag: string, least = 1): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (/^\d+$/.test(text) && Number(text) >= least && Number.isSafeInteger(Number(text))) return Number(text)
    throw new AppError('usage', `${flag} cannot be "${text}"`, { hint: `Give a whole number of ${least} or more.` })
  }

  /** Bytes a second. */
  rate(name: string, flag: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const rate = parseRate(text)
    if (rate !== undefined) return rate
    const number = /^\d+$/.test(text.trim()) ? ` What restic means by ${text.trim()} is ${text.trim()}K here.` : ''
    throw new AppError('usage', `${flag} cannot be "${text}"`, {
      hint: `Give a rate with its unit, at least 1 KiB/s: 500K, 5MB/s or 100Mbit/s.${number}`,
    })
  }

  durationMs(name: string, flag: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const durationMs = parseDuration(text)
    if (durationMs !== undefined) return durationMs
    throw new AppError('usage', `${flag} cannot be "${text}"`, { hint: 'Give a duration like 30m, 25h or 7d.' })
  }
}
