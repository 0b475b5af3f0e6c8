import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drain, makeContext, makeTempDir, removeDir } from '../../../../test/helpers/drained-snapshot.ts'
import { handmade } from '../../../../test/helpers/handmade-snapshot.ts'
import { AppError } from '../../../base/errors.ts'
import type { RestoreOutcome, RestoreRequest, SnapshotReader } from '../../source.ts'
import { createFilesSource } from '../files-source.ts'
import { filesOptions } from '../options.ts'
import { restoreFolder } from './restore.ts'

let dir = ''
let out = ''

beforeEach(async () => {
  dir = await makeTempDir('lifeboat-restore-')
  out = join(dir, 'out')
})

afterEach(() => removeDir(dir))

async function restore(snapshot: SnapshotReader, options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  const context = await makeContext(dir)
  const request = { snapshot, target: out, force: false, delta: true, checks: true, include: [] }
  return await restoreFolder({ ...context, ...request, ...options })
}

/** Gives up after some batches. */
function dying(reader: SnapshotReader, code: 'interrupted' | 'target-full', after: number): SnapshotReader {
  let calls = 0
  return {
    ...reader,
    restoreFiles: files => {
      calls += 1
      if (calls > after) throw new AppError(code, 'stopped by the test')
      return reader.restoreFiles(files)
    },
  }
}

describe('an interrupted restore', () => {
  const many = Object.fromEntries(
    Array.from({ length: 2100 }, (_, index) => [`f${String(index).padStart(5, '0')}`, { data: 'x' }] as const),
  )

  it('goes on where it was, without force', async () => {
    const snapshot = handmade(many)
    await expect(restore(dying(snapshot, 'target-full', 1))).rejects.toMatchObject({ code: 'target-full' })
    expect(await readdir(out)).toContain('.lifeboat-restore')
    expect((await stat(out)).mode & 0o777).toBe(0o700)
    const before = snapshot.asked.length
    const outcome = await restore(snapshot)
    expect(before).toBe(2000)
    expect(snapshot.asked.length - before).toBe(100)
    expect(outcome).toMatchObject({ files: 2100, totalBytes: 2100, writtenBytes: 100 })
    expect(await readdir(out)).not.toContain('.lifeboat-restore')
  })

  it('is not taken up by another snapshot', async () => {
    const snapshot = handmade({ a: { data: 'x' } })
    await expect(restore(dying(snapshot, 'interrupted', 0))).rejects.toMatchObject({ code: 'interrupted' })
    const other = { ...handmade({ a: { data: 'x' } }), id: 'cd'.repeat(32) }
    await expect(restore(other)).rejects.toMatchObject({
      code: 'target-exists',
      hint: expect.stringContaining('abababab') as string,
    })
    const forced = await restore(other, { force: true })
    expect(forced.files).toBe(1)
    expect(await readdir(out)).not.toContain('.lifeboat-restore')
  })

  it('does not trust a half-written file that looks finished but in time', async () => {
    const snapshot = handmade({ a: { data: 'right' } })
    await mkdir(out)
    await writeFile(join(out, '.lifeboat-restore'), JSON.stringify({ snapshot: snapshot.id, over: false, parts: '' }))
    await writeFile(join(out, 'a'), 'wrong')
    await restore(snapshot)
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('right')
  })

  it('with force is seen by the next backup until it is done', async () => {
    const snapshot = handmade({ a: { data: 'x' }, b: { data: 'x' } })
    await mkdir(out)
    await writeFile(join(out, 'b'), 'y')
    // Looks finished, and was never written by us.
    await utimes(join(out, 'b'), 1e9, 1e9)
    await writeFile(join(out, 'mine'), 'mine')
    await chmod(out, 0o755)
    await expect(restore(dying(snapshot, 'interrupted', 0), { force: true })).rejects.toMatchObject({
      code: 'interrupted',
    })
    expect((await stat(out)).mode & 0o777).toBe(0o755)
    const seen = await drain(createFilesSource('docs', filesOptions.parse({ path: out }), { baseDir: dir }), dir)
    expect(seen.summary.findings.map(({ code }) => code)).toEqual(['restore-unfinished'])
    expect(seen.summary.complete).toBe(false)
    await expect(restore(snapshot)).rejects.toMatchObject({
      code: 'target-exists',
      hint: expect.stringContaining('add --force to go on') as string,
    })
    expect(await restore(snapshot, { force: true })).toMatchObject({ files: 2 })
    expect(await readFile(join(out, 'b'), 'utf8')).toBe('x')
    expect(await readFile(join(out, 'mine'), 'utf8')).toBe('mine')
    expect(await readdir(out)).not.toContain('.lifeboat-restore')
  })

  it('leaves a file that it changes in place to those who may read it before and after', async () => {
    const snapshot = handmade({ a: { data: 'x', mode: 0o644 }, b: { data: 'x', mode: 0o4750 }, c: { data: 'x' } })
    await mkdir(out)
    for (const [name, mode] of [
      ['a', 0o644],
      ['b', 0o4755],
      ['c', 0o444],
    ] as const) {
      await writeFile(join(out, name), 'y')
      await chmod(join(out, name), mode)
    }
    const modes = async (): Promise<number[]> =>
      Promise.all(['a', 'b', 'c'].map(async name => (await stat(join(out, name))).mode & 0o7777))
    await expect(restore(dying(snapshot, 'interrupted', 0), { force: true })).rejects.toThrow('stopped by the test')
    expect(await modes()).toEqual([0o644, 0o750, 0o644])
    await restore(snapshot, { force: true })
    expect(await modes()).toEqual([0o644, 0o4750, 0o644])
  })

  it('is not done by a restore of less', async () => {
    const snapshot = handmade({ a: { data: 'x' }, b: { data: 'y' }, c: { data: 'z' } })
    const mark = (): Promise<string> => readFile(join(out, '.lifeboat-restore'), 'utf8').catch(() => 'none')
    await expect(restore(dying(snapshot, 'interrupted', 0), { include: ['a', 'b'] })).rejects.toThrow(
      'stopped by the test',
    )
    const before = await mark()
    await restore(snapshot, { include: ['c'] })
    expect(await mark()).toBe(before)
    await restore(snapshot, { include: ['b', 'a'] })
    expect(await mark()).toBe('none')
    await expect(restore(dying(snapshot, 'interrupted', 0), { force: true })).rejects.toThrow('stopped by the test')
    await restore(snapshot, { force: true, include: ['c'] })
    expect(await mark()).toContain(`"snapshot":"${'ab'.repeat(32)}","over":true`)
    await restore(snapshot, { force: true })
    expect(await mark()).toBe('none')
  })

  it.each(['link', 'folder'])('with force minds no %s in the place of its mark', async kind => {
    await mkdir(out)
    const outside = join(dir, 'outside')
    await writeFile(outside, 'outside')
    if (kind === 'link') await symlink(outside, join(out, '.lifeboat-restore'))
    else await mkdir(join(out, '.lifeboat-restore'))
    const done = restore(handmade({ a: { data: 'x' } }), { force: true })
    if (kind === 'link') await done
    else await expect(done).rejects.toMatchObject({ code: 'target-invalid' })
    expect(await readFile(outside, 'utf8')).toBe('outside')
  })
})
