import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { letGo } from './let-go.ts'
import { isSealed, seal } from './seal.ts'

let program: ChildProcess | undefined
let path = ''
let sealed = ''

beforeEach(async () => {
  path = join(makeTempDir(), 'app.db')
  sealed = `${path}.before-1`
  for (const [file, row] of [
    [sealed, 'old'],
    [path, 'new'],
  ] as const) {
    const db = new DatabaseSync(file)
    db.exec(`CREATE TABLE t AS SELECT '${row}' AS v`)
    db.close()
  }
  await seal(sealed)
})

afterEach(() => void program?.kill('SIGKILL'))

/** Has these files open until it is killed. */
async function open(...files: readonly string[]): Promise<void> {
  const stdio = files.map(file => openSync(file, 'r'))
  program = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: [...stdio] })
  await once(program, 'spawn')
  for (const file of stdio) closeSync(file)
}

const rows = (): unknown => {
  const db = new DatabaseSync(sealed)
  const found = db.prepare('SELECT v FROM t').all()
  db.close()
  return found
}

it.runIf(process.platform === 'linux')('names who keeps the old file open, which stays as it is', async () => {
  await open(sealed)
  const { ino } = statSync(sealed)
  expect(await letGo(sealed, path)).toMatchObject([{ pid: program?.pid, state: 'living' }])
  expect([await isSealed(sealed), statSync(sealed).ino]).toEqual([true, ino])
})

it.runIf(process.platform === 'linux')('leaves it sealed to who forgot it and opened the new one', async () => {
  await open(sealed, path)
  const forgotten = statSync(sealed).ino
  expect(await letGo(sealed, path)).toEqual([])
  expect(statSync(sealed).ino).not.toBe(forgotten)
  expect([await isSealed(sealed), rows()]).toEqual([false, [{ v: 'old' }]])
  // What it has open is no database to it, so it commits nothing there.
  expect(await isSealed(`/proc/${program?.pid}/fd/0`)).toBe(true)
})

it('waits for nobody where nobody has it open', async () => {
  expect(await letGo(sealed, path)).toEqual([])
  expect(await isSealed(sealed)).toBe(true)
})
