import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { isStandIn } from '../../src/sources/sqlite/seal.ts'
import { Killer, moments } from '../helpers/kill.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

describe('kill -9 of a restore', () => {
  let workspace: Workspace
  beforeEach(async () => {
    workspace = new Workspace()
    workspace.makeDatabase(20_000)
    workspace.makeDocs()
    for (let file = 0; file < 8; file++) {
      writeFileSync(join(workspace.docs, `big-${file}.bin`), pseudoRandom(3_000_000, file))
    }
    await workspace.run('init', '--yes')
    await workspace.run('backup')
  })

  it('of a database to a new place: no half file there, and the next run goes through', async () => {
    const target = workspace.path('again.db')
    const command = ['restore', 'app', 'latest', '--to', target]
    const notes = readNotes(workspace.database)
    const killer = await Killer.for(() => workspace.run(...command))
    for (const moment of moments(6, 3)) {
      rmSync(target, { force: true })
      if (!(await killer.kill(workspace.start(...command), moment))) continue
      // Either nothing is there, or all of it.
      if (!existsSync(target)) await workspace.run(...command)
      expect(readNotes(target)).toEqual(notes)
    }
    expect(killer.hits).toBeGreaterThan(2)
    expect(leftovers(workspace.dir, 'again.db')).toEqual(['again.db'])
  })

  it.each([
    ['in place: the old, the new, or a stand-in', '--delta', true],
    ['by a swap: the old or the new, never a mixture', '--no-delta', false],
  ])('of a database over another one, %s', async (_name, how, mayStandIn) => {
    const target = workspace.path('again.db')
    const command = ['restore', 'app', 'latest', '--to', target, '--force', ...(how === '--delta' ? [] : [how])]
    const wanted = readNotes(workspace.database)
    workspace.change("UPDATE notes SET text = 'other' WHERE id % 50 = 0")
    const other = readNotes(workspace.database)
    copyFileSync(workspace.database, target)
    const killer = await Killer.for(() => workspace.run(...command))
    for (const moment of moments(6, 4)) {
      copyFileSync(workspace.database, target)
      await killer.kill(workspace.start(...command), moment)
      if (await isStandIn(target)) expect(mayStandIn).toBe(true)
      else expect([wanted, other]).toContainEqual(readNotes(target))
      const next = await workspace.try(...command)
      expect([next.code, next.stderr]).toEqual([0, expect.any(String)])
      await discardKept(workspace, next.stderr, path => expect([wanted, other]).toContainEqual(readNotes(path)))
      expect(readNotes(target)).toEqual(wanted)
    }
    expect(killer.hits).toBeGreaterThan(2)
    expect(leftovers(workspace.dir, 'again.db')).toEqual(['again.db'])
  })

  it('of a folder: the next run goes on and ends with exactly what was backed up', async () => {
    const target = workspace.path('docs-again')
    const command = ['restore', 'docs', 'latest', '--to', target]
    const wanted = digestTree(workspace.docs)
    const killer = await Killer.for(() => workspace.run(...command))
    for (const moment of moments(6, 5)) {
      rmSync(target, { recursive: true, force: true })
      if (!(await killer.kill(workspace.start(...command), moment))) continue
      // The kill may have come after the last step: then the target is simply there.
      const again = await workspace.try(...command)
      expect(again.code === 0 ? 'docs-again exists' : again.stderr).toMatch(/docs-again exists/)
      expect(digestTree(target)).toEqual(wanted)
    }
    expect(killer.hits).toBeGreaterThan(2)
  })

  it('of a folder over the one in use: half of it is marked, and the next run ends it', async () => {
    const command = ['restore', 'docs', 'latest', '--force']
    const wanted = digestTree(workspace.docs)
    const spoil = (): void => {
      for (let file = 0; file < 8; file++) {
        writeFileSync(join(workspace.docs, `big-${file}.bin`), pseudoRandom(3_000_000, 100 + file))
      }
    }
    spoil()
    const contents = (): string => contentsOf(workspace.docs)
    const spoiled = contents()
    const killer = await Killer.for(() => workspace.run(...command))
    const whole = contents()
    for (const moment of moments(6, 6)) {
      spoil()
      await killer.kill(workspace.start(...command), moment)
      const isMarked = existsSync(join(workspace.docs, '.lifeboat-restore'))
      if (!isMarked) expect([spoiled, whole]).toContain(contents())
      await workspace.run(...command)
      expect(digestTree(workspace.docs)).toEqual(wanted)
    }
    expect(killer.hits).toBeGreaterThan(2)
  })
})

function contentsOf(folder: string): string {
  const hash = createHash('sha256')
  for (let file = 0; file < 8; file++) hash.update(readFileSync(join(folder, `big-${file}.bin`)))
  return hash.digest('hex')
}

/**
 * Killed at the very swap, an application may have written to the old database after it lost its place: it stays beside,
 * whole, and the next run says under which name and how to remove it.
 */
async function discardKept(workspace: Workspace, said: string, inspect: (path: string) => void): Promise<void> {
  const [, path, run] = /what was there is kept as (\S+)[^]*lifeboat undo (\S+) --discard/.exec(said) ?? []
  if (path === undefined || run === undefined) return
  inspect(path)
  await workspace.run('undo', run, '--discard', '--yes')
}

/** What stands beside a target and belongs to it. SQLite makes its own two when the test looks in. */
function leftovers(dir: string, name: string): string[] {
  return readdirSync(dir).filter(entry => entry.includes(name) && !/-(wal|shm)$/.test(entry))
}
