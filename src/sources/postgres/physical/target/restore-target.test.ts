import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { requireStopped } from './restore-target.ts'

let dataDir = ''
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'lifeboat-target-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** The state of a process that waits in a folder until it is killed. */
async function whileRunning(cwd: string, look: (pid: number) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1000)'], { cwd })
  const exited = once(child, 'exit')
  try {
    await once(child.stdout, 'data')
    await look(child.pid ?? 0)
  } finally {
    child.kill('SIGKILL')
    await exited
  }
}

const claim = (pid: number): void => writeFileSync(join(dataDir, 'postmaster.pid'), `${pid}\n${dataDir}\n`)

it('takes a directory without postmaster.pid, or with that of a process that is gone or works elsewhere', async () => {
  await expect(requireStopped(dataDir)).resolves.toBeUndefined()
  let gone = 0
  await whileRunning(tmpdir(), async pid => {
    gone = pid
    claim(pid)
    await expect(requireStopped(dataDir)).resolves.toBeUndefined()
  })
  claim(gone)
  await expect(requireStopped(dataDir)).resolves.toBeUndefined()
})

it('refuses a directory in which a living process works', async () => {
  await whileRunning(dataDir, async pid => {
    claim(pid)
    await expect(requireStopped(dataDir)).rejects.toMatchObject({ code: 'target-in-use' })
  })
})

it('refuses a directory whose postmaster.pid cannot be read', async () => {
  mkdirSync(join(dataDir, 'postmaster.pid'))
  await expect(requireStopped(dataDir)).rejects.toMatchObject({ code: 'target-invalid' })
})
