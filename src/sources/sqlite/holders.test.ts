import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { findHolders } from './holders.ts'
import { SESSION_MARK } from './session.ts'

let child: ChildProcess | undefined

afterEach(() => void child?.kill('SIGKILL'))

/** A program that has the file open, and these words in its command line. */
async function hold(path: string, words: readonly string[]): Promise<number> {
  const file = openSync(path, 'r')
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...words], {
    stdio: [file, 'ignore', 'ignore'],
  })
  await once(child, 'spawn')
  closeSync(file)
  return child.pid ?? 0
}

it.runIf(process.platform === 'linux').each([
  ['an application', ['app'], 'living'],
  ['a session whose starter is there', [SESSION_MARK, String(process.pid)], 'living'],
  ['a session whose starter was killed', [SESSION_MARK, '1'], 'orphan'],
])('tells %s that has a file open', async (_, words, state) => {
  const path = join(makeTempDir(), 'app.db')
  writeFileSync(path, '')
  const pid = await hold(path, words)
  expect(await findHolders([path])).toMatchObject([{ pid, state }])
  child?.kill('SIGKILL')
  await once(child as ChildProcess, 'exit')
  expect(await findHolders([path])).toEqual([])
})
