import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { timeOf } from '../helpers/kill.ts'
import { skipRestic } from '../helpers/restic.ts'
import { pseudoRandom, Workspace } from '../helpers/workspace.ts'

/** The promise is one second; a loaded test machine gets more, for this is no speed test. */
const END_WITHIN_MS = 8000

type Verb = 'backup' | 'check' | 'restore'
type Interrupt = readonly [verb: Verb, signal: 'SIGINT' | 'SIGTERM']

/** Each of these commands is interrupted in its middle. */
export function describeInterrupts(cases: readonly Interrupt[]): void {
  describe.skipIf(skipRestic)('Ctrl-C', () => {
    let workspace: Workspace
    let usualMs: number
    beforeEach(async () => {
      workspace = new Workspace()
      workspace.makeDatabase(30_000)
      workspace.makeDocs()
      await workspace.run('init', '--yes')
      usualMs = await timeOf(() => workspace.run('backup', 'app'))
    })

    it.each(cases)('ends %s with %s: its exit code, no lock left, a valid repository', async (verb, signal) => {
      writeFileSync(join(workspace.docs, 'large.bin'), pseudoRandom(80_000_000, 8))
      if (verb !== 'backup') await workspace.run('backup', 'docs')
      const commands = {
        backup: ['backup', 'docs'],
        check: ['check', '--read-data'],
        restore: ['restore', 'docs', 'latest', '--to', workspace.path('out')],
      }
      const running = workspace.start(...commands[verb])
      await wait(usualMs * 0.7)
      running.child.kill(signal)
      const took = await timeOf(() => running.result)
      const { code, stderr } = await running.result
      // A fast machine may be done before the signal comes.
      expect([0, signal === 'SIGINT' ? 130 : 143]).toContain(code)
      expect(took).toBeLessThan(END_WITHIN_MS)
      expect(stderr).not.toMatch(/ at .*\.ts:\d+|please report/)
      expect(readdirSync(join(workspace.repository, 'locks'))).toEqual([])
      await workspace.restic.checkAll()
      expect((await workspace.try(...commands[verb])).code).toBe(0)
    })
  })
}
