import { z } from 'zod'
import type { StorageTraits } from './storage.ts'

/** No service is faster with more, and many take it for an attack. */
const MOST = 32

/** Among an adapter's options: how many calls at once. */
export const connectionsOption = (usual: number, most = MOST) =>
  z
    .int(`a whole number from 1 to ${most}`)
    .min(1, `a whole number from 1 to ${most}`)
    .max(most, `a whole number from 1 to ${most}`)
    .optional()
    .describe(`Connections at once, 1 to ${most}; default ${usual}. Fewer for a weak line or server.`)

/** The traits for so many calls at once. */
export function withConnections<T extends Pick<StorageTraits, 'concurrency' | 'saves'>>(
  traits: T,
  connections = traits.concurrency,
): T {
  return { ...traits, concurrency: connections, saves: Math.min(traits.saves, connections) }
}
