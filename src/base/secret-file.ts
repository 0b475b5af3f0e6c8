import { readBelieved, type Trust } from './believed-file.ts'
import { Secret } from './secret.ts'

export interface SecretFile {
  readonly secret: Secret
  readonly mode: number
}

const LIMIT_BYTES = 64 * 1024

/** Reads a file whose content is a password, as restic reads one. Throws as `readBelieved` does. */
export async function readSecretFile(
  path: string,
  options: { readonly what: string; readonly trust: Trust; readonly signal?: AbortSignal | undefined },
): Promise<SecretFile> {
  const { bytes, stat } = await readBelieved(path, { ...options, limitBytes: LIMIT_BYTES })
  return { secret: new Secret(trimAsRestic(decodeAsRestic(bytes))), mode: stat.mode }
}

/** @see https://github.com/restic/restic/blob/v0.17.3/internal/textfile/read.go */
export function decodeAsRestic(bytes: Uint8Array): string {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  return new TextDecoder('utf-8').decode(bytes)
}

// Unlike JavaScript's, Go's idea of white space has U+0085 and not U+FEFF.
const SPACE = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g')

/** @see https://pkg.go.dev/strings#TrimSpace */
export function trimAsRestic(text: string): string {
  return text.replace(AROUND, '')
}
