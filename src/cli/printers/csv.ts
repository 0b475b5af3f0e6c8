import type { CopyValue } from '../../sources/source.ts'

/**
 * RFC 4180, but with line feeds alone, as PostgreSQL's COPY writes it: NULL is empty, an empty text is `""`, bytes are hex.
 */
export function formatCsv(columns: readonly string[], rows: ReadonlyArray<readonly CopyValue[]>): string {
  return [columns, ...rows].map(row => `${row.map(field).join(',')}\n`).join('')
}

function field(value: CopyValue): string {
  if (value === null) return ''
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  const text = String(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
