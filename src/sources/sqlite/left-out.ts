import type { Finding } from '../../model/finding.ts'

/** Findings of these codes say that something did not come back as it was captured. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'index-not-restored',
  'search-index-outdated',
  'table-not-copied',
  'table-not-restored',
])

export function leavesOut(findings: readonly Finding[]): boolean {
  return findings.some(({ code }) => LEFT_OUT.has(code))
}
