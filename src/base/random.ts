import { randomBytes } from 'node:crypto'

/** Randomness as a dependency, so that tests can repeat a run. */
export interface Random {
  bytes(count: number): Buffer
}

export const systemRandom: Random = { bytes: count => randomBytes(count) }
