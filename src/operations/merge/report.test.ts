import { expect, it } from 'vitest'
import type { MergeReport } from '../../model/merge-report.ts'
import { leavesOut, mergeFindings, mergeReportTables, mergeSummary } from './report.ts'

const NOTHING: MergeReport = {
  target: '/srv/app.db',
  dryRun: false,
  changed: false,
  tables: [
    {
      table: 'user',
      key: ['email'],
      onConflict: 'keep',
      rows: 4,
      added: 0,
      matched: 4,
      different: 0,
      updated: 0,
      remapped: 0,
      skipped: 0,
      reasons: [],
    },
  ],
  left: [],
  differences: [],
}

it('is short when there is nothing to say', () => {
  expect(mergeReportTables(NOTHING).map(table => table.title)).toEqual(['merged'])
  expect(mergeFindings(NOTHING, 'app')).toEqual([])
  expect(mergeSummary(NOTHING)).toBe('nothing to merge: the database has all that the backup has')
})

it('says what was left out, why, and which', () => {
  const [user] = NOTHING.tables
  if (!user) throw new Error('no table')
  const reasons = [{ why: 'unique-value-taken' as const, rows: 2, examples: ['id=2, email=bob@x'] }]
  const report: MergeReport = {
    ...NOTHING,
    changed: true,
    dryRun: true,
    tables: [{ ...user, added: 1, matched: 1, skipped: 2, reasons }],
    left: [
      { table: 'gone', why: 'only-in-backup', rows: 3 },
      { table: 'new', why: 'only-in-target', rows: undefined },
    ],
    differences: [
      { table: 'user', column: 'a', kind: 'type', backup: 'text', target: 'integer' },
      { table: 'user', column: 'b', kind: 'only-in-backup', backup: 'text', target: undefined },
    ],
  }
  const [counts, left, columns] = mergeReportTables(report)
  expect(counts?.title).toBe('what a merge would do')
  expect(counts?.rows).toEqual([['user', 'email', '4', '1', '1', '0', '0', '0', '2']])
  expect(left?.rows).toEqual([
    ['user', '2', 'left out: a value that must be unique is another row’s', 'id=2, email=bob@x; ...'],
    ['gone', '3', 'not in the database: its rows were not merged', ''],
    ['new', '', 'not in the backup: left as it is', ''],
  ])
  expect(columns?.rows.map(row => row.at(-1))).toEqual(['values are converted', 'its values are not merged'])
  expect(mergeFindings(report, 'app').map(finding => [finding.code, finding.subject])).toEqual([
    ['merge-unique-value-taken', 'table user'],
    ['merge-table-missing', 'table gone'],
  ])
  expect(mergeSummary(report)).toBe(
    '1 row added, 0 updated, 1 was there already, 2 left out, in 1 table but gone, which is not in the database',
  )
})

it('does not call a database whole that lacks a table of the backup', () => {
  const report: MergeReport = { ...NOTHING, left: [{ table: 'gone', why: 'only-in-backup', rows: 3 }] }
  expect(mergeSummary(report)).toBe(
    'nothing to merge: the database has all that the backup has but gone, which is not in the database',
  )
  expect(mergeFindings(report, 'app')[0]?.hint).toContain('"lifeboat restore app --table gone"')
  const empty: MergeReport = { ...NOTHING, left: [{ table: 'gone', why: 'only-in-backup', rows: 0 }] }
  expect(mergeSummary(empty)).toBe(mergeSummary(NOTHING))
})

it('tells tables that it could not merge from those that nobody wanted merged', () => {
  const left = (why: MergeReport['left'][number]['why'], rows?: number): boolean =>
    leavesOut({ left: [{ table: 't', why, rows }] })
  expect([left('needs-application'), left('index-outdated'), left('not-readable', 2)]).toEqual([true, true, true])
  expect([left('not-readable', 0), left('rule', 2), left('only-in-backup', 2), left('migrations')]).toEqual(
    Array(4).fill(false),
  )
})
