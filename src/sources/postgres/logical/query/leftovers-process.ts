import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Outlives the process that started it, also one that is killed: then it ends that process's server and removes its folder.
 * Told by messages which server that is at the moment; 0 for none.
 */
const [folder] = process.argv.slice(2)
let server = 0

const POLL_MS = 50
const PATIENCE_MS = 10_000

process.on('message', (pid: unknown) => {
  if (typeof pid === 'number') server = pid
})
// Whoever ends us all together ends our parent as well.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.once('disconnect', () => void cleanUp())

async function cleanUp(): Promise<void> {
  if (server > 0 && send('SIGQUIT')) {
    const until = performance.now() + PATIENCE_MS
    while (send(0) && performance.now() < until) await sleep(POLL_MS)
    send('SIGKILL')
  }
  // A program that still makes the server's files loses its folder, and ends by that.
  if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
}

function send(signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(server, signal)
  } catch {
    return false
  }
}
