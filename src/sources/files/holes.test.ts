import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { findHoles, zerosOf } from './holes.ts'

const MIB = 1024 * 1024
const { signal } = new AbortController()

describe('holes of a file', () => {
  it('are found where they are long, the last one too', async () => {
    const file = openSync(join(makeTempDir(), 'sparse'), 'w+')
    onTestFinished(() => closeSync(file))
    ftruncateSync(file, 100 * MIB)
    for (const at of [0, 20 * MIB, 22 * MIB, 60 * MIB]) writeSync(file, 'data', at)
    const holes = await findHoles(file, fstatSync(file, { bigint: true }), signal)
    expect(holes.map(({ start, end }) => [Math.round(start / MIB), Math.round(end / MIB)])).toEqual([
      [0, 20],
      [22, 60],
      [60, 100],
    ])
    const position = { atBytes: 0 }
    const zeros = zerosOf(holes, position)
    expect(zeros?.aheadBytes()).toBe(0)
    position.atBytes = 10 * MIB
    expect(zeros?.aheadBytes()).toBe(10 * MIB)
    zeros?.pass(10 * MIB)
    expect([position.atBytes, zeros?.aheadBytes()]).toEqual([20 * MIB, 0])
    position.atBytes = 99 * MIB
    expect(zeros?.aheadBytes()).toBe(MIB)
    position.atBytes = 100 * MIB
    expect(zeros?.aheadBytes()).toBe(0)
  })

  it('are not looked for in a file without any', async () => {
    const file = openSync(join(makeTempDir(), 'plain'), 'w+')
    onTestFinished(() => closeSync(file))
    writeSync(file, Buffer.alloc(9 * MIB, 'x'))
    expect(await findHoles(file, fstatSync(file, { bigint: true }), signal)).toEqual([])
    expect(zerosOf([], { atBytes: 0 })).toBeUndefined()
  })
})
