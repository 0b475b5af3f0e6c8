import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { isId } from './file-keys.ts'

/** Reads stored JSON without trusting it. `subject` names the file in the error: `snapshot 3f2a0c11`. */
export function parseObject(bytes: Uint8Array, subject: string): JsonObject {
  return new JsonObject(parseJson(bytes, subject), subject)
}

export function parseJson(bytes: Uint8Array, subject: string): unknown {
  try {
    return JSON.parse(utf8(bytes))
  } catch (cause) {
    throw invalid(subject, 'it is not JSON', cause)
  }
}

export function invalid(subject: string, reason: string, cause?: unknown): AppError {
  return new AppError('damaged', `${subject} is damaged: ${reason}`, {
    hint: 'Run "lifeboat check --read-data" to see what else is damaged.',
    context: { subject },
    cause,
  })
}

export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** Typed access to an object's fields. A missing field and `null` are alike, as in Go's decoder. */
export class JsonObject {
  readonly #fields: Readonly<Record<string, unknown>>
  readonly subject: string

  constructor(value: unknown, subject: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(subject, 'it is not a JSON object')
    }
    this.#fields = value as Readonly<Record<string, unknown>>
    this.subject = subject
  }

  raw(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? (this.#fields[key] ?? undefined) : undefined
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key, 'a string')
  }

  optionalText(key: string): string | undefined {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'string') return value
    return this.#missing(key, 'a string')
  }

  /** A whole number from 0 to `max`. */
  count(key: string, max = Number.MAX_SAFE_INTEGER): number {
    return this.optionalCount(key, max) ?? this.#missing(key, 'a whole number')
  }

  optionalCount(key: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value
    return this.#missing(key, `a whole number up to ${max}`)
  }

  flag(key: string): boolean {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'boolean') return value ?? false
    return this.#missing(key, 'true or false')
  }

  id(key: string): Id {
    return this.optionalId(key) ?? this.#missing(key, 'an id')
  }

  optionalId(key: string): Id | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (typeof value === 'string' && isId(value)) return value
    return this.#missing(key, 'an id')
  }

  /** Base64 as Go writes it, at most `maxBytes` long. */
  bytes(key: string, maxBytes: number): Buffer {
    return this.optionalBytes(key, maxBytes) ?? this.#missing(key, 'base64')
  }

  optionalBytes(key: string, maxBytes: number): Buffer | undefined {
    const value = this.optionalText(key)
    if (value === undefined) return undefined
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return this.#missing(key, 'base64')
    const decoded = Buffer.from(value, 'base64')
    return decoded.length <= maxBytes ? decoded : this.#missing(key, `at most ${maxBytes} bytes`)
  }

  list(key: string): readonly unknown[] {
    const value = this.raw(key)
    if (value === undefined) return []
    return Array.isArray(value) ? value : this.#missing(key, 'a list')
  }

  texts(key: string): string[] {
    return this.list(key).map(value => (typeof value === 'string' ? value : this.#missing(key, 'a list of strings')))
  }

  optionalObject(key: string): JsonObject | undefined {
    const value = this.raw(key)
    return value === undefined ? undefined : new JsonObject(value, this.subject)
  }

  #missing(key: string, wanted: string): never {
    throw invalid(this.subject, `"${key}" is not ${wanted}`)
  }
}

/** JSON text as Go's `encoding/json` writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, so that re-encoding a file
 * with restic gives the same bytes and so the same id. */
export function goJson(value: unknown): string {
  return goEscape(JSON.stringify(value))
}

export function goString(text: string): string {
  return goEscape(JSON.stringify(text))
}

function goEscape(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
