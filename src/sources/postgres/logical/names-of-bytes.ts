import { decodeName } from '../../../base/bytes.ts'
import { holdsBytes } from '../../../clients/postgres/index.ts'
import type { TableName } from './tables/table-pattern.ts'

/**
 * Names of a database in SQL_ASCII may be bytes that are no UTF-8. The driver reads and writes UTF-8 only, so they are read as
 * hexadecimal digits, kept as `decodeName` does, and never written: the server puts them together from numbers.
 */
export function bytesOf(name: string): string {
  return `encode(textsend(${name}::text), 'hex')`
}

export function nameOfBytes(digits: string): string {
  return decodeName(Buffer.from(digits, 'hex'))
}

export function isOfBytes({ schema, name }: TableName): boolean {
  return holdsBytes(schema) || holdsBytes(name)
}

/** Statements of PL/pgSQL, with a variable `each`. */
export function inBytes(body: string): string {
  return `DO $lifeboat$ DECLARE each text; BEGIN ${body} END $lifeboat$`
}
