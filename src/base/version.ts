import { readFileSync } from 'node:fs'

/** This package's version. */
export function ownVersion(): string {
  // The same distance from src/base and dist/base.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String((manifest as { readonly version?: unknown }).version)
}
