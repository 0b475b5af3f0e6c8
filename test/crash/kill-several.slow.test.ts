import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { Killer, moments } from '../helpers/kill.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'
import { backUpBriefly, pointsIn, withApp } from '../helpers/several-repositories.ts'
import { PASSWORD, prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  disk: { url: ./disk, passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
policies:
  nightly: { sources: [docs], repositories: [main, disk] }
`

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  mkdirSync(prepared.docs)
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  await cheapenKeys(prepared.path('disk'), PASSWORD)
})
beforeEach(() => {
  workspace = copyPrepared()
})

const change = (): void => writeFileSync(join(workspace.docs, 'a'), randomBytes(20_000_000))

/** Both are whole, and the next backup brings to the second what it lacks. */
async function expectCompleted(): Promise<void> {
  for (const folder of ['backups', 'disk']) {
    const restic = new Restic(workspace.dir, workspace.path(folder), PASSWORD)
    // Locks of a process that was killed are left.
    expect(await restic.run('check', '--read-data', '--no-lock')).toContain('no errors were found')
  }
  await withApp({ folder: workspace.dir }, async app => {
    await backUpBriefly(app)
    expect(await pointsIn(app, 'disk')).toEqual(await pointsIn(app, 'main'))
  })
}

test.skipIf(skipRestic)('killed while it copies, the next backup completes the other repository', async () => {
  change()
  const running = workspace.start('backup')
  while (!hasPacks('disk')) await sleep(2)
  running.child.kill('SIGKILL')
  expect((await running.result).signal).toBe('SIGKILL')
  await withApp({ folder: workspace.dir }, async app => {
    expect([(await pointsIn(app, 'main')).length, (await pointsIn(app, 'disk')).length]).toEqual([1, 0])
  })
  await expectCompleted()
  await withApp({ folder: workspace.dir }, async app => expect(await pointsIn(app, 'disk')).toHaveLength(2))
})

test.skipIf(skipRestic)(
  'killed at any moment, both repositories are whole and hold the same after the next backup',
  async () => {
    change()
    const killer = await Killer.for(() => workspace.run('backup'))
    for (const moment of moments(3, 7)) {
      change()
      await killer.kill(workspace.start('backup'), moment)
      await expectCompleted()
    }
    // Otherwise nothing was tested.
    expect(killer.hits).toBeGreaterThan(1)
  },
)

function hasPacks(repository: string): boolean {
  const folder = workspace.path(repository, 'data')
  if (!existsSync(folder)) return false
  return readdirSync(folder, { recursive: true, withFileTypes: true }).some(entry => entry.isFile())
}
