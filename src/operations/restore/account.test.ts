import { expect, it } from 'vitest'
import type { Manifest, ManifestTable } from '../../model/manifest.ts'
import type { ComparedTable } from '../../model/row-comparison.ts'
import type { TargetSurvey } from '../../sources/source.ts'
import { accountOf, compareSchemas } from './account.ts'

const users: ManifestTable = {
  name: 'users',
  rows: 10,
  columns: [
    { name: 'id', type: 'INTEGER', key: true },
    { name: 'email', type: 'TEXT', notNull: true },
  ],
}

function manifestOf(tables: readonly ManifestTable[]): Manifest {
  return {
    format: 1,
    source: 'app',
    kind: 'sqlite',
    type: 'full',
    capturedAt: '2026-09-04T02:00:00.000Z',
    consistency: 'transactional',
    totals: { files: 1, sizeBytes: 4096 },
    files: [],
    database: { tables, schemaFingerprint: 'f', properties: {} },
    findings: [],
  }
}

const surveyOf = (tables: readonly ManifestTable[] | undefined): TargetSurvey => ({
  place: '/srv/app.db',
  exists: true,
  sizeBytes: 8192,
  tables,
  findings: [],
})

it('counts what is there now and not in the recovery point', () => {
  const orders: ManifestTable = { name: 'orders', rows: 5 }
  const account = accountOf(surveyOf([{ ...users, rows: 12 }, orders]), manifestOf([users, { name: 'old', rows: 3 }]))
  expect(account.rowsLost).toBe(7)
  expect(account.tables[0]?.rows).toEqual([
    ['size', '8.0 KiB', '4.0 KiB', ''],
    ['rows of old', 'no such table', '3', '+3'],
    ['rows of orders', '5', 'no such table', '-5'],
    ['rows of users', '12', '10', '-2'],
  ])
  expect(account.findings.map(({ subject, message }) => `${subject} ${message}`)).toEqual([
    'orders is not in the recovery point',
    'old is only in the recovery point',
  ])
})

it('says what is only now, only then and changed where rows were compared', () => {
  const compared: ComparedTable = {
    table: 'users',
    presence: 'both',
    by: 'key',
    rowsBefore: 10,
    rowsAfter: 10,
    onlyBefore: 1,
    onlyAfter: 1,
    changed: 9,
    columnsOnlyBefore: [],
    columnsOnlyAfter: [],
  }
  const unread = { ...compared, table: 'log', problem: 'permission denied' }
  const tables = [users, { name: 'log', rows: 3 }]
  const account = accountOf(surveyOf(tables), manifestOf(tables), {}, [compared, unread])
  expect(account.rowsLost).toBe(10)
  expect(account.tables[0]?.columns.map(({ name }) => name)).toEqual([
    '',
    'now',
    'then',
    'only now',
    'only then',
    'changed',
  ])
  expect(account.tables[0]?.rows).toEqual([
    ['size', '8.0 KiB', '4.0 KiB', '', '', ''],
    ['rows of log', '3', '3', '?', '?', '?'],
    ['rows of users', '10', '10', '1', '1', '9'],
  ])
})

it('looks at the chosen tables only, by their names with and without schema', () => {
  const now = surveyOf([
    { name: 'public.film', rows: 2 },
    { name: 'public.actor', rows: 2 },
  ])
  const then = manifestOf([{ name: 'public.film', rows: 1 }])
  for (const selection of [{ tables: ['film'] }, { tables: ['public.film'] }, { schemas: ['public'] }]) {
    const names = accountOf(now, then, selection).tables[0]?.rows.map(row => row[0])
    expect(names).toContain('rows of public.film')
    expect(names?.includes('rows of public.actor')).toBe(selection.schemas !== undefined)
  }
})

it('says nothing of a target that cannot be read, or a manifest that does not say', () => {
  expect(accountOf(surveyOf(undefined), manifestOf([users])).findings).toEqual([])
  expect(accountOf(surveyOf([users]), undefined)).toMatchObject({ rowsLost: 10, findings: [] })
  expect(accountOf({ ...surveyOf([]), exists: false }, manifestOf([users])).tables).toEqual([])
})

it('tells columns that one side lacks, and types that differ', () => {
  const now: ManifestTable = {
    name: 'users',
    rows: 1,
    columns: [
      { name: 'id', type: 'INTEGER', key: true },
      { name: 'email', type: 'TEXT' },
      { name: 'nick', type: '' },
    ],
  }
  const then: ManifestTable = { ...users, columns: [...(users.columns ?? []), { name: 'age', type: 'INTEGER' }] }
  expect(compareSchemas([now], [then]).map(({ subject, message }) => `${subject} ${message}`)).toEqual([
    'users.email was TEXT not null and is TEXT',
    'users.nick is not in the recovery point (of no type)',
    'users.age is only in the recovery point (INTEGER)',
  ])
  expect(compareSchemas([users], [users])).toEqual([])
  expect(compareSchemas([users], [{ name: 'users', rows: 1 }])).toEqual([])
})
