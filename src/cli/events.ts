import { writeSync } from 'node:fs'
import type { RunEvent } from '../operations/workspace/run.ts'

/** Names the file descriptor on which whoever started us wants to hear what happens, as JSON lines. */
export const EVENTS_VARIABLE = 'LIFEBOAT_EVENTS_FD'

const PROGRESS_EVERY_MS = 1000

/** What the scheduler hears of the runs that it starts. Nothing is said where nobody asked. */
export function eventsToParent(environment: Readonly<Record<string, string | undefined>>): (event: RunEvent) => void {
  const descriptor = Number(environment[EVENTS_VARIABLE])
  if (!(descriptor > 2)) return () => {}
  let isHeard = true
  let progressAt = Number.NEGATIVE_INFINITY
  return event => {
    if (!isHeard || event.kind === 'report') return
    if (event.kind === 'progress') {
      if (performance.now() - progressAt < PROGRESS_EVERY_MS) return
      progressAt = performance.now()
    }
    try {
      writeSync(descriptor, `${JSON.stringify(event)}\n`)
    } catch {
      // Who started us is gone, or does not keep up: what is being done goes on without.
      isHeard = false
    }
  }
}
