import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, vi } from 'vitest'
import { Killer, moments } from '../helpers/kill.ts'
import { skipRestic } from '../helpers/restic.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

describe.skipIf(skipRestic)('kill -9 of a backup', () => {
  it('at any moment leaves a whole repository, and the next backup goes through', async () => {
    const workspace = new Workspace()
    workspace.makeDatabase(2000)
    workspace.makeDocs()
    await workspace.run('init', '--yes')
    changeAll(workspace, 0)
    const killer = await Killer.for(() => workspace.run('backup'))
    for (const [round, moment] of moments(12, 1).entries()) {
      changeAll(workspace, round + 1)
      await killer.kill(workspace.start('backup'), moment)
      await expectWriterIsFree(workspace)
      await workspace.run('backup')
      await workspace.restic.checkAll()
    }
    // Otherwise nothing was tested.
    expect(killer.hits).toBeGreaterThan(5)
    expect(await workspace.json('check', '--read-data')).toMatchObject({ whole: true })
    await workspace.run('restore', 'docs', 'latest', '--to', workspace.path('docs-again'))
    expect(digestTree(workspace.path('docs-again'))).toEqual(digestTree(workspace.docs))
    await workspace.run('restore', 'app', 'latest', '--to', workspace.path('app-again.db'))
    expect(readNotes(workspace.path('app-again.db'))).toEqual(readNotes(workspace.database))
  })
})

function changeAll(workspace: Workspace, round: number): void {
  workspace.change(`UPDATE notes SET text = hex(randomblob(400)) WHERE id % 3 = ${round % 3}`)
  writeFileSync(join(workspace.docs, 'each-time.bin'), pseudoRandom(6_000_000, round))
}

/** No part of the killed backup lives on and pins the database: its log can be emptied. */
async function expectWriterIsFree(workspace: Workspace): Promise<void> {
  await vi.waitFor(
    () => {
      const db = new DatabaseSync(workspace.database)
      try {
        expect(db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0 })
      } finally {
        db.close()
      }
    },
    { timeout: 60_000, interval: 50 },
  )
}
