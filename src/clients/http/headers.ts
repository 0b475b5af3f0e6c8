import type { IncomingHttpHeaders } from 'node:http'

/** How long the server asks to be left alone, from `Retry-After`: seconds or a date. Undefined when it does not say. */
export function retryAfterMs(headers: IncomingHttpHeaders, now: Date): number | undefined {
  const value = headers['retry-after']?.trim()
  if (value === undefined || value === '') return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  // Date.parse takes nearly anything for a date.
  const at = value.endsWith(' GMT') ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime())
}

export interface ContentRange {
  readonly offset: number
  readonly length: number
  /** Of the whole; undefined where the server does not say. */
  readonly totalBytes: number | undefined
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#name-content-range */
export function contentRange(headers: IncomingHttpHeaders): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(headers['content-range'] ?? '')
  if (!match) return undefined
  const [, first = '', last = '', total = ''] = match
  const offset = Number(first)
  return {
    offset,
    length: Number(last) - offset + 1,
    totalBytes: total === '*' ? undefined : Number(total),
  }
}

export function contentLength(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['content-length']
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
