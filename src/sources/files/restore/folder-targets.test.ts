import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { SmallDisk, skipSmallDisk } from '../../../../test/helpers/small-disk.ts'
import { makeTempDir } from '../../../../test/helpers/tempdir.ts'
import { systemClock } from '../../../base/clock.ts'
import { silentLogger } from '../../../base/logger.ts'
import type { TargetSurvey } from '../../target.ts'
import { folderTargets } from './folder-targets.ts'
import { mark } from './mark.ts'

const SNAPSHOT = 'a'.repeat(64)
let target: string

beforeEach(() => {
  target = join(makeTempDir(), 'docs')
})

async function survey(delta = false): Promise<TargetSurvey> {
  return await folderTargets.survey({
    target,
    delta,
    coming: { snapshot: SNAPSHOT, sizeBytes: 0, engineVersion: undefined },
    signal: new AbortController().signal,
    clock: systemClock,
    logger: silentLogger,
    scratchDir: target,
  })
}

describe('what is at the place of a folder', () => {
  it('is nothing, where nothing could be lost', async () => {
    expect((await survey()).exists).toBe(false)
    mkdirSync(target)
    expect((await survey()).exists).toBe(false)
  })

  it('is something, were it only folders', async () => {
    mkdirSync(join(target, 'a'), { recursive: true })
    expect((await survey()).exists).toBe(true)
  })

  it.each([
    ['the same', SNAPSHOT, false],
    ['another', 'b'.repeat(64), true],
  ])('an unfinished restore of %s snapshot', async (_which, snapshot, exists) => {
    mkdirSync(target)
    writeFileSync(join(target, 'file'), '')
    await mark.write(target, { snapshot, over: false, parts: '' })
    expect((await survey()).exists).toBe(exists)
  })

  it('says what to do about a file', async () => {
    writeFileSync(target, '')
    expect((await survey()).findings).toMatchObject([{ code: 'target-invalid', hint: expect.stringContaining('--to') }])
  })

  it.skipIf(skipSmallDisk)('cannot be swapped where it is a mount point with something in it', async () => {
    const disk = new SmallDisk(target, 1 << 20)
    expect((await survey()).findings).toEqual([])
    writeFileSync(join(disk.folder, 'file'), '')
    expect((await survey()).findings).toMatchObject([
      { code: 'target-not-writable', severity: 'error', hint: expect.stringContaining('--force') },
    ])
    expect((await survey(true)).findings).toEqual([])
  })
})
