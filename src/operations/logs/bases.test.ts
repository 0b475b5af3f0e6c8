import { expect, it } from 'vitest'
import { type KindedBase, passOverFuture } from './bases.ts'

const NOW = new Date('2026-03-01T12:00:00Z')

const base = (snapshot: string, endedAt: string): KindedBase => ({
  snapshot,
  kind: 'any',
  log: '7',
  branch: 1,
  start: '1',
  end: '2',
  endedAt: new Date(endedAt),
  properties: {},
})

const before = base('aaaaaaaa11', '2026-03-01T11:00:00Z')
const soon = base('bbbbbbbb11', '2026-03-01T12:05:00Z')
const late = base('cccccccc11', '2031-03-01T11:00:00Z')

it('passes over backups that a wrong clock put into the future, and names them', () => {
  const { bases, findings } = passOverFuture([before, soon, late], NOW)
  expect(bases).toEqual([before, soon])
  expect(findings).toEqual([
    expect.objectContaining({
      code: 'snapshot-of-the-future',
      subject: 'snapshot cccccccc',
      hint: expect.stringContaining('lifeboat forget cccccccc'),
    }),
  ])
})

it('takes the one that is wanted, and all where no other is there', () => {
  expect(passOverFuture([before, late], NOW, late.snapshot)).toEqual({ bases: [before, late], findings: [] })
  expect(passOverFuture([late], NOW)).toEqual({ bases: [late], findings: [] })
})
