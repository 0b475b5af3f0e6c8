import type { RaceContext } from './races.ts'
export async function raceSnapshots(_context: RaceContext): Promise<void> {}
