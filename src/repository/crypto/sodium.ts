import { createRequire } from 'node:module'

interface Sodium {
  crypto_onetimeauth(out: Uint8Array, message: Uint8Array, key: Uint8Array): void
  crypto_onetimeauth_verify(mac: Uint8Array, message: Uint8Array, key: Uint8Array): boolean
}

// The package has no types of its own, and only these two functions are used.
export const sodium = createRequire(import.meta.url)('sodium-native') as Sodium
