import type { AppError } from '../../base/errors.ts'

/** One JSON document. Big integers become numbers where they fit, else strings; bytes become base64; maps, objects. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, plain, 2)}\n`
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}

export function errorToJson(error: AppError): unknown {
  const { code, message, hint, context } = error
  return { error: { code, message, hint: hint ?? null, context } }
}
