import { expect, it } from 'vitest'
import type { BaseBackup } from '../../model/recovery-window.ts'
import { passOverFuture } from './base-backups.ts'

const NOW = new Date('2026-03-01T12:00:00Z')

const base = (snapshot: string, stoppedAt: string): BaseBackup => ({
  snapshot,
  systemIdentifier: '7',
  timeline: 1,
  startLsn: 1n,
  stopLsn: 2n,
  stoppedAt: new Date(stoppedAt),
  nextXid: undefined,
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
