import type { Finding } from '../../model/finding.ts'
import type { Source, SourceContext } from '../../sources/source.ts'

export interface ProbeResult {
  readonly source: string
  readonly kind: string
  /** False when a backup would not work. */
  readonly ready: boolean
  readonly findings: readonly Finding[]
}

/** Says before the first run whether a source can be captured, and what is missing. */
export async function probe(source: Source, context: SourceContext): Promise<ProbeResult> {
  const findings = await source.probe(context)
  const ready = findings.every(finding => finding.severity !== 'error')
  return { source: source.name, kind: source.kind, ready, findings }
}
