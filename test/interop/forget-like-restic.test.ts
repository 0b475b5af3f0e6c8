import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRetention, type RetentionRules } from '../../src/model/retention.ts'
import { parseRetentionDuration } from '../../src/model/retention-time.ts'
import { createRepository, type Snapshot } from '../../src/repository/index.ts'
import { LocalStorage } from '../../src/storage/local/local-storage.ts'
import { backUp, engineOptions, PASSWORD, SteppedClock } from '../helpers/engine.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'

const NOW = new Date('2026-01-01T00:00:00Z')

/** Irregular, over three years, with bursts, ends of months and a leap day. */
const TIMES = [
  ...Array.from({ length: 30 }, (_, at) => Date.UTC(2025, 11, 31, 20) - at * 7_300_000),
  ...Array.from({ length: 25 }, (_, at) => Date.UTC(2025, 10, 30, 23, 59) - at * 86_400_000 * 1.3),
  ...['2024-02-29T12:00:00Z', '2024-03-01T00:00:00Z', '2023-12-31T23:59:59Z', '2023-01-01T00:00:00Z'].map(Date.parse),
]

interface Forgotten {
  readonly keep: ReadonlyArray<{ readonly id: string }> | null
}

describe.skipIf(skipRestic)('the snapshots that the rules keep are those that restic keeps', () => {
  let dir: string
  let restic: Restic
  let snapshots: Snapshot[]

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lifeboat-test-'))
    const repository = await createRepository(new LocalStorage(join(dir, 'repo')), engineOptions(new SteppedClock()))
    snapshots = []
    for (const [at, time] of TIMES.entries()) {
      const tags = at % 7 === 0 ? ['keep', 'seven'] : at % 5 === 0 ? ['keep'] : []
      snapshots.push(await backUp(repository, { file: Buffer.from('same') }, undefined, { time: new Date(time), tags }))
    }
    await repository.close()
    restic = new Restic(dir, join(dir, 'repo'), PASSWORD)
  })

  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it.each<[string[], RetentionRules]>([
    [['--keep-last', '5'], { last: 5 }],
    [['--keep-hourly', '9'], { hourly: 9 }],
    [
      ['--keep-daily', '7', '--keep-weekly', '4', '--keep-monthly', '6', '--keep-yearly', '3'],
      { daily: 7, weekly: 4, monthly: 6, yearly: 3 },
    ],
    [['--keep-weekly', '60'], { weekly: 60 }],
    [['--keep-within', '1m'], { within: parseRetentionDuration('1m') }],
    [['--keep-within', '1y10m2d5h'], { within: parseRetentionDuration('1y10m2d5h') }],
    [
      ['--keep-within-daily', '20d', '--keep-within-monthly', '2y'],
      { withinDaily: parseRetentionDuration('20d'), withinMonthly: parseRetentionDuration('2y') },
    ],
    [['--keep-tag', 'keep,seven', '--keep-last', '1'], { tags: ['keep,seven'], last: 1 }],
    [['--keep-tag', 'keep', '--keep-yearly', '1'], { tags: ['keep'], yearly: 1 }],
  ])('%j', async (options, rules) => {
    const output = await restic.run('forget', '--dry-run', '--json', '--group-by', '', ...options)
    const groups = JSON.parse(output.slice(output.indexOf('['))) as Forgotten[]
    const theirs = groups.flatMap(group => group.keep ?? []).map(snapshot => snapshot.id)
    const ours = applyRetention(snapshots, rules, { timezone: 'UTC', now: NOW })
      .filter(decision => decision.keep)
      // restic keeps the oldest while counts are left since its 0.17; older ones do not.
      .filter(
        decision =>
          !decision.reasons.every(reason => reason.startsWith('oldest ')) || theirs.includes(decision.snapshot.id),
      )
      .map(decision => decision.snapshot.id)
    expect(ours.toSorted()).toEqual(theirs.toSorted())
  })
})
