import { describe, expect, it } from 'vitest'
import {
  type Incomplete,
  incompleteOf,
  incompleteWithin,
  LISTED_NOT_CAPTURED,
  nameNotCaptured,
} from '../model/incomplete.ts'
import { IncompleteLog } from './incomplete-log.ts'

const lost = (path: string): Incomplete['entries'][number] => ({ path, reason: 'permission denied', absent: true })

describe('what a snapshot lacks', () => {
  it.each([
    ['all of it', [], ['a/b', 'shop']],
    ['a folder around it', ['a'], ['a/b']],
    ['itself, written otherwise', ['./a/b/'], ['a/b']],
    ['what is below it', ['a/b/c/d'], ['a/b']],
    ['something beside it', ['a/bc', 'shops'], undefined],
  ])('is told to who asks for %s', (_what, include, paths) => {
    const incomplete = { count: 2, entries: [lost('a/b'), lost('shop')] }
    expect(incompleteWithin(incomplete, { include })?.entries.map(({ path }) => path)).toEqual(paths)
  })

  it('concerns everybody where it is all of it, or where the list is cut off', () => {
    expect(incompleteWithin({ count: 1, entries: [lost('')] }, { include: ['x'] })?.count).toBe(1)
    expect(incompleteWithin({ count: 9, entries: [lost('a')] }, { include: ['x'] })?.count).toBe(8)
    expect(incompleteWithin({ count: 1, entries: [lost('shop')] }, { databases: ['mail'] })).toBeUndefined()
  })

  it('is what the findings say, errors first, and never nothing', () => {
    const finding = (severity: 'info' | 'warning' | 'error', subject: string) => {
      return { severity, code: 'x', subject, message: 'why' }
    }
    expect(incompleteOf([finding('warning', 'w'), finding('error', 'e')]).entries).toMatchObject([{ path: 'e' }])
    expect(incompleteOf([finding('info', 'i'), finding('warning', 'w')]).entries).toMatchObject([{ path: 'w' }])
    expect(incompleteOf([])).toMatchObject({ count: 1 })
  })

  it('is counted exactly and listed within bounds; what is absent stays so', () => {
    const log = new IncompleteLog()
    expect(log.get()).toBeUndefined()
    for (let at = 0; at < LISTED_NOT_CAPTURED + 5; at++) log.add(lost(`file ${at}`))
    log.add({ path: 'file 0', reason: 'changed while it was read', absent: false })
    const incomplete = log.get()
    expect([incomplete?.count, incomplete?.entries.length]).toEqual([LISTED_NOT_CAPTURED + 5, LISTED_NOT_CAPTURED])
    expect(incomplete?.entries[0]).toEqual(lost('file 0'))
    expect(nameNotCaptured(incomplete ?? { count: 0, entries: [] })).toMatch(/^file 0 \(.*file 4 \(.* and 10000 more$/)
  })
})
