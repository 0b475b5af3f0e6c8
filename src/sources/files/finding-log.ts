import type { Finding, Severity } from '../../model/finding.ts'

/** More of one code than this say nothing new, and a million of them must not fill the memory. */
const KEPT_PER_CODE = 100

/** Collects findings about files: each of the first hundred of a code, then only their number. */
export class FindingLog {
  readonly #kept: Finding[] = []
  readonly #counts = new Map<string, { severity: Severity; count: number }>()

  add(finding: Finding): void {
    const seen = this.#counts.get(finding.code) ?? { severity: finding.severity, count: 0 }
    seen.count += 1
    this.#counts.set(finding.code, seen)
    if (seen.count <= KEPT_PER_CODE) this.#kept.push(finding)
  }

  list(): Finding[] {
    const more: Finding[] = []
    for (const [code, { severity, count }] of this.#counts) {
      if (count <= KEPT_PER_CODE) continue
      more.push({ severity, code, subject: `${count - KEPT_PER_CODE} more`, message: `${count} times in all` })
    }
    return [...this.#kept, ...more]
  }
}
