import { fork } from 'node:child_process'
import { programFile } from '../../../../base/package.ts'
import { toolEnvironment } from '../../../../base/plain-environment.ts'

/** Sees to it that a server of ours and its folder do not outlive us, even where we are killed. */
export interface LeftoversGuard {
  /** Which process is the server from now on; 0 for none. */
  readonly tell: (pid: number) => void
  /** The folder is removed, if it is still there. */
  close(): Promise<void>
}

/** A process of its own: what a killed process leaves behind, only another one can remove. */
export async function guardLeftovers(folder: string): Promise<LeftoversGuard> {
  const guard = fork(programFile('sources/postgres/logical/query/leftovers-process'), [folder], {
    execArgv: [],
    env: toolEnvironment(),
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    // Ctrl-C is for us; it comes after.
    detached: true,
  })
  const exited = new Promise<void>(resolve => guard.once('exit', () => resolve()))
  await new Promise((resolve, reject) => guard.once('spawn', resolve as () => void).once('error', reject))
  guard.on('error', () => {})
  return {
    tell: pid => void (guard.connected && guard.send(pid)),
    close: async () => {
      if (guard.connected) guard.disconnect()
      await exited
    },
  }
}
