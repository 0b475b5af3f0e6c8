import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AttackedWorkspace } from '../helpers/attacked-workspace.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'
import type { SnapshotJson } from '../helpers/workspace.ts'

/**
 * Whoever has the bucket's key and the password forgets and prunes, adds a snapshot of tomorrow, and then destroys what is
 * left. The bucket keeps versions.
 */
describe('after an attack with the full key', { timeout: 120_000 }, () => {
  let workspace: AttackedWorkspace

  beforeAll(async () => {
    workspace = await AttackedWorkspace.start()
    workspace.setTime('2026-11-29T02:00:00Z')
    await workspace.run('init', '--yes')
    for (const day of ['29', '30']) {
      workspace.setTime(`2026-11-${day}T02:00:00Z`)
      writeFileSync(workspace.path('docs', 'orders.txt'), ordersOf(day))
      await workspace.run('backup')
    }
    workspace.setTime('2026-11-30T03:10:00Z')
    await workspace.attack('forget', '--keep-last', '1', '--prune')
    workspace.setTime('2026-11-30T03:20:00Z')
    await workspace.addBogusSnapshot(new Date('2026-12-01T03:00:00Z'))
    workspace.setTime('2026-11-30T03:30:00Z')
    await workspace.destroy()
    workspace.setTime('2026-11-30T09:00:00Z')
    versions = workspace.countVersions()
    const { repositories } = await workspace.json<{ repositories: readonly HistoryJson[] }>('history')
    main = repositories[0] as HistoryJson
    before = main.before ?? ''
  }, 120_000)
  afterAll(() => workspace.close())

  const ordersOf = (day: string): string => `orders of day ${day}\n`.repeat(5000)
  let versions: number
  let main: HistoryJson
  /** As the table says it. */
  let before = ''

  test('nothing can be opened, and the error says where to look', async () => {
    const { code, stderr } = await workspace.try('snapshots')
    expect([code, stderr]).toEqual([22, expect.stringContaining('"lifeboat history" shows what happened')])
  })

  test('the table shows the hour and the last moment before', () => {
    expect(main.hours.map(({ hour }) => hour)).toEqual([
      '2026-11-29T02:00:00.000Z',
      '2026-11-30T02:00:00.000Z',
      '2026-11-30T03:00:00.000Z',
    ])
    expect(main.hours.map(({ suspicious }) => suspicious.length > 0)).toEqual([false, false, true])
    expect(main.hours[2]).toMatchObject({
      added: { snapshots: 1 },
      overwritten: { config: 1 },
      deleted: { keys: 1, snapshots: 3 },
    })
    expect(main.suspicious.map(({ code }) => code).toSorted()).toEqual([
      'config-changed',
      'deleted-without-lock',
      'keys-deleted',
      'no-snapshots-left',
      'not-recorded',
    ])
    expect(before).toMatch(/^2026-11-30T03:(09:59|10:\d\d)\.000Z$/)
  })

  test('a snapshot of tomorrow is reported', async () => {
    const { stderr, stdout } = await workspace.try('snapshots', '--as-of', '2026-11-30 03:25')
    expect(stdout).toContain('2026-12-01 03:00:00')
    expect(stderr).toMatch(
      /warning: snapshot \w{8}: it is from the future: of 2026-12-01 03:00:00 UTC, stored on 2026-11-30/,
    )
    expect(stderr.match(/warning: /g)).toHaveLength(1)
  })

  test('everything is there as it was before', async () => {
    const then = await workspace.json<SnapshotJson[]>('snapshots', '--as-of', before)
    expect(then.map(({ time }) => time.slice(0, 10))).toEqual(['2026-11-29', '2026-11-30'])
    const check = await workspace.json<{ whole: boolean; repositories: readonly { proven: number }[] }>(
      'check',
      '--read-data',
      '--as-of',
      before,
    )
    // What is gone by now is not proven.
    expect(check).toMatchObject({ whole: true, repositories: [{ snapshots: 2, proven: 0 }] })
  })

  test('it is restored from there at once', async () => {
    const { code, stderr } = await workspace.try('restore', 'docs', '--as-of', before, '--to', './back')
    // Not a word about a lock that could not be taken.
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^info: repository main: opened as it was on .* UTC\n$/)])
    expect(readFileSync(workspace.path('back', 'orders.txt'), 'utf8')).toBe(ordersOf('30'))
  })

  test.skipIf(skipRestic)('it is copied to a new repository, which restic finds whole', async () => {
    workspace.addRepository('rescued')
    await workspace.run('init', '--repo', 'rescued')
    await workspace.run('copy', '--from', 'main', '--as-of', before, '--to', 'rescued')
    mkdirSync(workspace.path('restic'))
    const restic = new Restic(workspace.path('restic'), workspace.path('rescued'), workspace.password)
    await restic.checkAll()
    expect((await restic.snapshots()).map(({ time }) => time.slice(0, 10))).toEqual(['2026-11-29', '2026-11-30'])
  })

  test('nothing was changed in the bucket by all that', () => {
    expect(workspace.countVersions()).toBe(versions)
  })
})

interface HistoryJson {
  readonly hours: ReadonlyArray<{ readonly hour: string; readonly suspicious: readonly string[] }>
  readonly suspicious: ReadonlyArray<{ readonly code: string }>
  readonly before: string | null
}
