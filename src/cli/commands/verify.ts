import { formatDuration } from '../../base/durations.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import { labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { VerifyResult } from '../../operations/verify/verify.ts'
import type { Call, Command } from '../command.ts'
import { formatFindings } from '../printers/text.ts'
import { type ChosenSnapshot, chooseSnapshot, parseSnapshotWish, requireSource } from '../selection.ts'

export const verify: Command = {
  name: 'verify',
  summary: 'prove that a recovery point comes back',
  description: [
    'Reads all of a snapshot as a restore would and compares what comes out with what was captured; the snapshot is then "checked". With --restore it is really restored, into a database, cluster or folder that is thrown away, and compared there; it is then "restored". Kinds of sources that can only be verified by a restore are always restored.',
    'Ends with 21 when what comes out is not what was captured.',
  ],
  arguments: [
    { name: 'source', summary: 'name of the source', required: true, complete: 'sources' },
    { name: 'snapshot', summary: 'latest (default), an id, or a time like "3h ago"', complete: ['latest'] },
  ],
  options: [{ flags: '--restore', summary: 'restore it into something that is thrown away' }],
  examples: [
    { command: 'lifeboat verify shop', explains: 'read all of the newest snapshot' },
    { command: 'lifeboat verify shop latest --restore', explains: 'bring it back in a temporary server' },
  ],
  run: async call => {
    const operation = await import('../../operations/verify/verify.ts')
    const { recordRun } = await import('../../operations/runs/record-run.ts')
    const app = await call.openApp()
    const name = call.values.required('source')
    requireSource(app, name)
    const wish = parseSnapshotWish(call.values.text('snapshot') ?? 'latest', call.clock.now())
    const chosen = await chooseSnapshot(call, app, name, wish)
    const { repository, snapshot } = chosen
    const source = await app.openSource(labelsOf(snapshot.tags).source ?? name)
    const catalog = app.catalog()
    const context = await app.sourceContext()
    call.progress.update({ label: `verify ${name}`, done: 0, total: undefined, unit: 'bytes' })
    const result = await recordRun(
      { catalog, clock: app.clock },
      { operation: 'verify', source: name, repository: chosen.name },
      () => operation.verify({ ...context, repository, snapshot, source, restore: call.values.flag('restore') }),
      ({ passed, bytesRead, findings }) => ({
        outcome: passed ? 'done' : 'incomplete',
        snapshot: snapshot.id,
        statistics: { bytesRead },
        findings,
      }),
    )
    if (result.proof !== undefined) {
      await catalog.saveProofs(repository.id, [snapshot.id], result.proof, app.clock.now())
    }
    return { json: toJson(result, chosen), text: describe(result, chosen, call), exitCode: result.passed ? 0 : 21 }
  },
}

function toJson({ proof, ...result }: VerifyResult, { name, snapshot }: ChosenSnapshot): unknown {
  const shortId = snapshot.id.slice(0, SHORT_ID_DIGITS)
  return { ...result, proof: proof ?? null, repository: name, snapshot: snapshot.id, shortId, time: snapshot.time }
}

function describe(result: VerifyResult, { name, snapshot }: ChosenSnapshot, call: Call): string {
  const paint = call.terminal.out
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const verdict = result.passed ? paint('green', result.proof ?? '') : paint('red', 'not sound')
  const checks = result.checks
    .map(({ name: what, passed, expected, found }) =>
      passed ? `  ${what}: ${found}\n` : `  ${paint('red', what)}: expected ${expected}, found ${found}\n`,
    )
    .join('')
  return (
    `${result.source} of ${formatTime(snapshot.time)} (snapshot ${id} in ${name}): ${verdict}\n` +
    `  read ${formatSize(result.bytesRead)} in ${formatDuration(result.durationMs)}\n` +
    checks +
    formatFindings(result.findings, paint)
  )
}
