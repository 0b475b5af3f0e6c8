import { expect, test } from 'vitest'
import { cutOf, isLeftOut, listUnlogged, relationOf } from './cluster-files.ts'

test.each([
  ['', 'postmaster.pid'],
  ['', 'standby.signal'],
  ['', 'backup_label'],
  ['base/5', 'pg_internal.init'],
  ['global', 'pg_internal.init.4711'],
  ['base', 'pgsql_tmp'],
  ['base/5', 't3_16400'],
  ['base/5', 't3_16400_fsm'],
  ['pg_tblspc/16385/PG_15_202209061/5', 't12_16400.1'],
  ['pg_tblspc/16385/PG_15_202209061', 'pgsql_tmp'],
])('%j leaves out %s', (folder, name) => expect(isLeftOut(folder, name)).toBe(true))

test.each([
  ['', 'PG_VERSION'],
  ['', 'postgresql.auto.conf'],
  ['base/5', '16400'],
  ['base/5', '16400_init'],
  ['base/5', 'postmaster.pid'],
  ['log', 't3_16400'],
])('%j keeps %s', (folder, name) => expect(isLeftOut(folder, name)).toBe(false))

test('of unlogged relations only the init fork stays', () => {
  const names = ['1', '1_fsm', '1_init', '1.1', '2', '2_vm', '11', 'PG_VERSION', '3_init']
  expect([...listUnlogged('base/5', names)]).toEqual(['1', '1_fsm', '1.1'])
  expect(listUnlogged('log', names).size).toBe(0)
})

test('tells relations, their forks and their place', () => {
  expect(relationOf('base/5/16400.2')).toEqual({
    tablespace: 0,
    database: 5,
    filenode: 16400,
    fork: 'main',
    firstBlock: 262_144,
  })
  expect(relationOf('global/1262_vm')).toMatchObject({ tablespace: 1664, database: 0, fork: 'vm', firstBlock: 0 })
  expect(relationOf('pg_tblspc/16385/PG_15_202209061/5/99')).toMatchObject({ tablespace: 16385, database: 5 })
  for (const path of ['global/pg_control', 'base/5/pg_filenode.map', 'pg_xact/0000', 'base/5/PG_VERSION', '16400']) {
    expect(relationOf(path)).toBeUndefined()
  }
})

test('pages are cut at pages, the rest by content', () => {
  expect(cutOf('base/5/16400')).toEqual({ kind: 'fixed', blockBytes: 32_768 })
  expect(cutOf('pg_xact/0000')).toEqual({ kind: 'fixed', blockBytes: 32_768 })
  expect(cutOf('log/postgresql.log')).toEqual({ kind: 'content' })
})
