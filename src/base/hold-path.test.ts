import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { holdingPath } from './hold-path.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-hold-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const linux = process.platform === 'linux'

it.runIf(linux)('lets one at a time at a path, by whatever name, and others at others', async () => {
  symlinkSync(dir, join(dir, 'link'))
  const outcome = await holdingPath(join(dir, 'new'), async () => {
    await expect(holdingPath(join(dir, 'link', 'new'), async () => {})).rejects.toMatchObject({ code: 'target-in-use' })
    return await holdingPath(join(dir, 'other'), async () => 'both')
  })
  expect(outcome).toBe('both')
  await expect(holdingPath(join(dir, 'new'), () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await holdingPath(join(dir, 'new'), async () => 'free again')).toBe('free again')
})

it.runIf(linux)('is free again when a process that held it was killed', async () => {
  const module = join(import.meta.dirname, 'hold-path.ts')
  const script = `import { holdingPath } from ${JSON.stringify(module)}
    await holdingPath(${JSON.stringify(dir)}, async () => { console.log('held'); await new Promise(r => setTimeout(r, 60000)) })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  await expect(holdingPath(dir, async () => {})).rejects.toMatchObject({ code: 'target-in-use' })
  child.kill('SIGKILL')
  await exited
  expect(await holdingPath(dir, async () => 'free')).toBe('free')
})
