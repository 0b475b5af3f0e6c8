/** One JSON document. Big integers become numbers where they fit, else strings; bytes become base64; maps, objects. */
export function formatJson(value: unknown): string {
  const text = JSON.stringify(value, plain, 2)
  // What a terminal would obey is written as an escape, which means the same.
  return `${text.replace(/[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escaped)}\n`
}

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}
