import { expect, test } from 'vitest'
import { momentPartOf, tablespacesOf } from './restore-options.ts'

test('a tablespace is told by its OID or by its old path, which may hold "="', () => {
  expect([...tablespacesOf({ tablespace: ['16385=/new', '/old=path=/other', 'x=here'] })]).toEqual([
    ['16385', '/new'],
    ['/old=path', '/other'],
    ['x', `${process.cwd()}/here`],
  ])
  expect([...tablespacesOf(undefined)]).toEqual([])
})

test('each flag of a moment is one target, or says how it is meant', () => {
  expect(momentPartOf({ lsn: '0/3000028', exclusive: true })).toEqual({
    targets: [{ kind: 'position', position: '0/3000028' }],
    branch: undefined,
    inclusive: false,
  })
  expect(momentPartOf({ xid: '7', immediate: true }).targets).toEqual([
    { kind: 'transaction', transaction: '7' },
    { kind: 'immediate' },
  ])
  expect(momentPartOf({ timeline: '2' })).toEqual({ targets: [], branch: '2', inclusive: undefined })
})
