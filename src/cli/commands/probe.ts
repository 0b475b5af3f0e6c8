import type { ProbeResult } from '../../operations/probe/probe.ts'
import { sourceNames } from '../../operations/workspace/names.ts'
import { lookAround } from '../../operations/workspace/run.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { formatFindings } from '../printers/text.ts'

export const probe: Command<Printed<'probe'>> = {
  name: 'probe',
  summary: 'check that sources can be backed up',
  description: ['Tells you before the first backup what is missing. Exits with 20 if a source is not ready.'],
  arguments: [{ name: 'sources', summary: 'names of sources (default: all)', variadic: true, complete: 'sources' }],
  examples: [
    { command: 'lifeboat probe', explains: 'every source' },
    { command: 'lifeboat probe app --json', explains: 'one, for a script' },
  ],
  run: async call => {
    const operation = await import('../../operations/probe/probe.ts')
    const app = await call.openApp()
    const names = sourceNames(app, call.values.list('sources'))
    const results = await lookAround(app, call.caller, async run => {
      const found: ProbeResult[] = []
      for (const name of names) found.push(await operation.probe(await app.source(name), run))
      return found
    })
    const ready = results.every(result => result.ready)
    return {
      json: { ready, sources: results },
      text: results.map(result => describe(result, call)).join(''),
      exitCode: ready ? 0 : 20,
    }
  },
}

function describe({ source, kind, ready, findings }: ProbeResult, call: Call): string {
  const paint = call.terminal.out
  const verdict = ready ? paint('green', 'ready') : paint('red', 'not ready')
  return `${source} (${kind}): ${verdict}\n${formatFindings(findings, paint)}`
}
