/**
 * Backs up every source of the lifeboat.yaml in this folder or above, proves that the newest recovery point of one comes
 * back, and says what a restore of it would change. Run it with Node 22.18 or newer: node backup-and-restore.ts SOURCE
 */
import { AppError, backUp, carryOut, openApp, planRestore, planUndo, proveAll, undoRestore } from 'lifeboat'

const [source, wanted] = process.argv.slice(2)
if (source === undefined) throw new Error('say which source: node backup-and-restore.ts app [restore|undo]')

const app = await openApp()
// A bar, a log line, an event for a browser: whatever suits your program.
const caller = {
  onEvent: event => {
    if (event.kind === 'finding') console.error(`${event.finding.severity}: ${event.finding.message}`)
  },
} satisfies Parameters<typeof backUp>[2]

try {
  if (wanted === 'undo') {
    const { result } = await undoRestore(app, await planUndo(app, undefined, caller), caller)
    console.log(`${result.target} is as it was before the restore`)
  } else if (wanted === 'restore') {
    // A plan is data: show it, ask a person, carry it out later. It is refused if things have changed since.
    const plan = await planRestore(app, { source }, caller)
    console.log(`${plan.survey.place}: ${plan.strategy}, recovery point of ${plan.snapshot.time.toISOString()}`)
    const { result } = await carryOut(app, plan, caller)
    console.log(`restored ${result.files} files; undo with: lifeboat undo ${result.run.slice(0, 8)}`)
  } else {
    const { attempts } = await backUp(app, {}, caller)
    for (const attempt of attempts) {
      const { source: of, repository } = attempt
      if ('error' in attempt) console.log(`${of} -> ${repository}: ${attempt.error.message}`)
      else {
        // Captured there, or copied from where it was captured.
        const { id } = 'result' in attempt ? attempt.result.snapshot : attempt.snapshot
        console.log(`${of} -> ${repository}: snapshot ${id.slice(0, 8)}`)
      }
    }
    const [proof] = await proveAll(app, [{ source, wish: { kind: 'latest' } }], 'restored', caller)
    if (proof !== undefined) console.log('error' in proof ? proof.error.message : `comes back: ${proof.result.passed}`)
  }
} catch (error) {
  // Errors that are expected say what to do.
  if (!(error instanceof AppError)) throw error
  console.error([error.message, error.hint].filter(Boolean).join('\n'))
  process.exitCode = error.exitCode
} finally {
  await app.close()
}
