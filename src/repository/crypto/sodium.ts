import { createRequire } from 'node:module'
import { AppError, messageOf } from '../../base/errors.ts'
import { thisSystem } from '../../base/system.ts'

interface Sodium {
  crypto_onetimeauth(out: Uint8Array, message: Uint8Array, key: Uint8Array): void
  crypto_onetimeauth_verify(mac: Uint8Array, message: Uint8Array, key: Uint8Array): boolean
}

// The package has no types of its own, and only these two functions are used.
export const sodium = load()

function load(): Sodium {
  try {
    return createRequire(import.meta.url)('sodium-native') as Sodium
  } catch (error) {
    const [why = ''] = messageOf(error).split('\n')
    throw new AppError('unsupported', `cannot load the add-on sodium-native on ${thisSystem()}: ${why}`, {
      hint: 'Install Lifeboat again on this machine, with its own Node: npm install lifeboat. The add-on comes for Linux with glibc and for macOS, on x64 and arm64; on Alpine (musl) use an image with glibc.',
      cause: error,
    })
  }
}
