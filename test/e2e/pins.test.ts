import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type BackupOutcome, backUp, forgetTask, forgetTasks, openApp, pinSnapshot } from '../../src/lib.ts'
import { Workspace } from '../helpers/workspace.ts'

const idOf = ({ attempts: [only] }: BackupOutcome): string =>
  only !== undefined && 'result' in only ? only.result.snapshot.id : ''

test('a pinned recovery point stays, for other machines too, until it is unpinned', { timeout: 120_000 }, async () => {
  const workspace = new Workspace()
  mkdirSync(workspace.docs)
  writeFileSync(join(workspace.docs, 'a.txt'), 'a')
  const app = await openApp({ folder: workspace.dir })
  await app.createRepository('main')
  const first = idOf(await backUp(app, { sources: ['docs'] }, {}))
  await backUp(app, { sources: ['docs'] }, {})
  const point = { source: undefined, wish: { kind: 'id', prefix: first } } as const
  await expect(pinSnapshot(app, { ...point, until: new Date(0) }, {})).rejects.toMatchObject({ code: 'usage' })
  await pinSnapshot(app, { ...point, reason: 'before the move' }, {})
  const runs = await app.catalog.listRuns({ limit: 1 })
  expect(runs).toMatchObject([{ operation: 'pin', attempts: [{ repository: 'main', snapshot: first }] }])
  await app.close()

  // Another machine knows the repository, and nothing else of this one.
  rmSync(workspace.path('.lifeboat'), { recursive: true })
  const other = await openApp({ folder: workspace.dir })
  const wish = { sources: ['docs'], keep: { last: 1 }, dryRun: false }
  const [task] = forgetTasks(other, wish)
  const kept = task && (await forgetTask(other, task, wish, {}))
  expect(kept?.groups[0]?.keep.map(({ reasons }) => reasons)).toEqual([['last snapshot'], ['pinned: before the move']])
  await other.close()

  const refused = await workspace.try('forget', first)
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`lifeboat unpin ${first.slice(0, 8)}`)])
  // restic passes pins over, and nothing is wrong with the repository for it.
  await workspace.restic.checkAll()
  await workspace.run('unpin', first)
  await workspace.run('forget', first)
  expect((await workspace.snapshots('docs')).map(({ id }) => id)).not.toContain(first)
})
