/** `"a ""b"`: any name, whatever is in it. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `"public"."film"`. */
export function quoteName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/**
 * A database as the argument of a program that takes a connection string there: a name with `=` in it, or one that begins
 * with `postgres://`, would be read as one, and could lead to another server.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 */
export function databaseArgument(name: string): string {
  return `dbname='${name.replace(/[\\']/g, '\\$&')}'`
}

/** A string literal, safe under any `standard_conforming_strings`. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}

const BYTES = /[\udc80-\udcff]/

/** A text of a database without an encoding, with bytes that are no UTF-8: no statement can hold it as it is. */
export function holdsBytes(text: string): boolean {
  return BYTES.test(text)
}
