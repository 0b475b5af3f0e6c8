import { expect, test } from 'vitest'
import { backUp, engineOptions, memoryStorageOf, SteppedClock } from '../../../test/helpers/engine.ts'
import { createRepository } from '../../repository/index.ts'
import { findWrongTimes } from './wrong-times.ts'

test('snapshots that are dated after they were stored, or in the future, are named, and no others', async () => {
  const clock = new SteppedClock()
  const repository = await createRepository(memoryStorageOf(clock), engineOptions(clock))
  const later = (hours: number): Date => new Date(clock.now().getTime() + hours * 3_600_000)
  const right = await backUp(repository, { a: Buffer.from('1') }, undefined, { time: later(-1) })
  const misdated = await backUp(repository, { a: Buffer.from('2') }, undefined, { time: later(3) })
  const future = await backUp(repository, { a: Buffer.from('3') }, undefined, { time: later(100) })
  clock.advance(24 * 3_600_000)
  const { snapshots } = await repository.listSnapshots()
  expect(snapshots).toContainEqual(expect.objectContaining({ id: right.id }))
  const findings = await findWrongTimes(repository, snapshots, clock.now())
  expect(findings.map(({ severity, code, affects }) => [severity, code, affects])).toEqual([
    ['warning', 'snapshot-time-wrong', [misdated.id]],
    ['warning', 'snapshot-time-wrong', [future.id]],
  ])
  expect(findings[0]?.message).toMatch(/^it is dated after it was stored: of .*, stored on /)
  await repository.close()
})
