import type { VerifyResult } from './verify.ts'

/** 22 when bytes are lost, else 21 when something did not pass, else 3 when something was never captured. */
export function exitCodeOfProofs(results: readonly VerifyResult[]): number {
  if (results.some(({ damaged }) => damaged)) return 22
  if (results.some(({ passed }) => !passed)) return 21
  return results.some(({ incomplete }) => incomplete !== undefined) ? 3 : 0
}
