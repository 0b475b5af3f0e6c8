import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Killer, moments } from '../helpers/kill.ts'
import { skipRestic } from '../helpers/restic.ts'
import { prepareWorkspace, readNotes, type Workspace } from '../helpers/workspace.ts'

const withHistory = prepareWorkspace(async workspace => {
  workspace.makeDatabase(6000)
  await workspace.run('init', '--yes')
  for (let round = 0; round < 4; round++) {
    workspace.change(`UPDATE notes SET text = hex(randomblob(300)) WHERE id % 5 = ${round}`)
    await workspace.run('backup', 'app')
  }
})

describe.skipIf(skipRestic)('kill -9 of what deletes', () => {
  it.each([
    ['forget', 3, ['forget', 'app', '--keep-last', '1'], []],
    ['forget --prune', 6, ['forget', 'app', '--keep-last', '1', '--prune'], []],
    ['prune', 6, ['prune'], [['forget', 'app', '--keep-last', '1']]],
  ])(
    '%s at any moment loses nothing that is kept, and its next run goes through',
    async (_name, count, command, before) => {
      const workspace = await makeHistory(before)
      const notes = readNotes(workspace.database)
      const pristine = workspace.path('pristine')
      cpSync(workspace.repository, pristine, { recursive: true })
      const killer = await Killer.for(() => workspace.run(...command))
      for (const moment of moments(count, command.length)) {
        reset(workspace, pristine)
        await killer.kill(workspace.start(...command), moment)
        await workspace.run(...command)
        await workspace.restic.checkAll()
        expect(await workspace.snapshots('app')).toHaveLength(1)
      }
      expect(killer.hits).toBeGreaterThan(count / 3)
      await workspace.run('restore', 'app', 'latest', '--to', workspace.path('again.db'))
      expect(readNotes(workspace.path('again.db'))).toEqual(notes)
      await workspace.run('backup', 'app')
      expect(await workspace.json('check', '--read-data')).toMatchObject({ whole: true })
    },
  )
})

describe.skipIf(skipRestic)('prune beside writers', () => {
  it('killed at any moment while backups go on, of ours and of restic, loses nothing of either', async () => {
    const workspace = await makeHistory([['forget', 'app', '--keep-last', '1']])
    const theirs = workspace.path('theirs')
    mkdirSync(theirs)
    const pristine = workspace.path('pristine')
    cpSync(workspace.repository, pristine, { recursive: true })
    const command = ['prune', '--max-unused', '0%', '--lock-wait', '1m']
    const killer = await Killer.for(() => workspace.run(...command))
    for (const moment of moments(3, 7)) {
      reset(workspace, pristine)
      workspace.change(`UPDATE notes SET text = hex(randomblob(300)) WHERE id % 7 = 3`)
      writeFileSync(join(theirs, 'file'), randomBytes(400_000))
      const notes = readNotes(workspace.database)
      const pruning = killer.kill(workspace.start(...command), moment)
      // restic 0.14 does not wait for the moments in which it is kept out.
      const [backup] = await Promise.all([
        workspace.run('backup', 'app', '--lock-wait', '1m'),
        workspace.restic.try('backup', theirs),
      ])
      expect(backup).toContain('app')
      await pruning
      await workspace.run(...command)
      await workspace.restic.checkAll()
      const target = workspace.path(`again-${moment}.db`)
      await workspace.run('restore', 'app', 'latest', '--to', target)
      expect(readNotes(target)).toEqual(notes)
    }
  })
})

async function makeHistory(then: readonly string[][]): Promise<Workspace> {
  const workspace = withHistory()
  for (const command of then) await workspace.run(...command)
  return workspace
}

function reset(workspace: Workspace, pristine: string): void {
  rmSync(workspace.repository, { recursive: true })
  cpSync(pristine, workspace.repository, { recursive: true })
}
