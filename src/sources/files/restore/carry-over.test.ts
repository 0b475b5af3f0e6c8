import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drain, makeContext, makeTempDir, removeDir } from '../../../../test/helpers/drained-snapshot.ts'
import { withoutPrivileges } from '../../../../test/helpers/unprivileged.ts'
import { LISTED_NOT_CAPTURED } from '../../../model/incomplete.ts'
import type { Manifest } from '../../../model/manifest.ts'
import type { RestoreOutcome, SnapshotReader } from '../../source.ts'
import { createFilesSource } from '../files-source.ts'
import { filesOptions } from '../options.ts'
import { toRaw } from '../raw-path.ts'
import { carryOver, findNotCarriable } from './carry-over.ts'
import { folderTargets } from './folder-targets.ts'
import { restoreFolder } from './restore.ts'
import { sameTime } from './times.ts'

/** A restore that swaps folders, of a snapshot that lacks what could not be read when it was taken. */
describe('what was never captured', () => {
  let dir = ''
  let live = ''

  beforeEach(async () => {
    dir = await makeTempDir('lifeboat-carry-')
    chmodSync(dir, 0o777)
    live = join(dir, 'live')
    mkdirSync(join(live, 'private/deep'), { recursive: true })
    mkdirSync(join(live, 'open/closed'), { recursive: true })
    writeFileSync(join(live, 'a'), 'a')
    writeFileSync(join(live, 'secret'), 'key')
    writeFileSync(join(live, 'private/deep/file'), 'deep')
    symlinkSync('nowhere', join(live, 'private/link'))
    writeFileSync(join(live, 'open/closed/file'), 'closed')
    for (const path of ['secret', 'private/deep', 'private', 'open/closed']) chmodSync(join(live, path), 0)
  })

  afterEach(async () => {
    execFileSync('chmod', ['-R', 'u+rwX', dir])
    await removeDir(dir)
  })

  async function snapshot(): Promise<SnapshotReader & { readonly manifest: Manifest }> {
    const source = createFilesSource('docs', filesOptions.parse({ path: live }), { baseDir: dir })
    const { reader, manifest, summary } = await drain(source, dir)
    if (summary.incomplete === undefined) throw new Error('all of it could be read')
    return { ...reader, manifest: { ...manifest, incomplete: summary.incomplete } }
  }

  async function swap(reader: SnapshotReader): Promise<RestoreOutcome> {
    const request = { snapshot: reader, target: live, force: true, delta: false, checks: true, include: [] }
    return await restoreFolder({ ...(await makeContext(dir)), ...request, keepAs: 'before-1' })
  }

  const signal = new AbortController().signal
  /** Read as root, or after all was opened. */
  const texts = (folder: string): string[] => {
    execFileSync('chmod', ['-R', 'u+rwX', folder])
    return ['a', 'secret', 'private/deep/file', 'open/closed/file'].map(path =>
      existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : '',
    )
  }

  it('is in the folder that comes and in the one that goes, each with its modes and times', async () => {
    await withoutPrivileges(dir, async () => {
      const reader = await snapshot()
      expect(reader.manifest.incomplete?.entries.map(({ path }) => path).sort()).toEqual([
        'open/closed',
        'private',
        'secret',
      ])
      writeFileSync(join(live, 'a'), 'newer')
      utimesSync(live, 1_000_000, 1_000_000)
      const { findings } = await swap(reader)
      expect(findings).toMatchObject([{ code: 'carried-over' }])
      const modes = (folder: string): string[] =>
        ['secret', 'private', 'open/closed'].map(path => (lstatSync(join(folder, path)).mode & 0o777).toString(8))
      expect([modes(live), modes(`${live}.before-1`)]).toEqual([
        ['0', '0', '0'],
        ['0', '0', '0'],
      ])
      expect(sameTime(lstatSync(live, { bigint: true }).mtimeNs, reader.root?.mtimeNs ?? 0n)).toBe(true)
      // What lies beside can be put back whole, and be removed by who may not look into it.
      const at = { ...(await makeContext(dir)), target: live, keptAs: 'before-1' }
      await folderTargets.putBack({ ...at, keepNowAs: 'before-2' })
      await folderTargets.dropKept({ ...at, keptAs: 'before-3' })
    })
    expect(texts(live)).toEqual(['newer', 'key', 'deep', 'closed'])
    expect(texts(`${live}.before-2`)).toEqual(['a', 'key', 'deep', 'closed'])
    expect(readdirSync(`${live}/private`)).toEqual(['deep', 'link'])
  })

  it('is removed with what was kept, closed folders too', async () => {
    await withoutPrivileges(dir, async () => {
      await swap(await snapshot())
      await folderTargets.dropKept({ ...(await makeContext(dir)), target: live, keptAs: 'before-1' })
    })
    expect(readdirSync(dir).filter(name => name.startsWith('live'))).toEqual(['live'])
    expect(texts(live)).toEqual(['a', 'key', 'deep', 'closed'])
  })

  it('is all that the snapshot does not hold, where the list of it is cut off', async () => {
    await withoutPrivileges(dir, async () => {
      const reader = await snapshot()
      writeFileSync(join(live, 'since'), 'new')
      const incomplete = { count: LISTED_NOT_CAPTURED + 1, entries: [] }
      await swap({ ...reader, manifest: { ...reader.manifest, incomplete } })
    })
    expect(texts(live)).toEqual(['a', 'key', 'deep', 'closed'])
    expect(readFileSync(join(live, 'since'), 'utf8')).toBe('new')
  })

  it('stays out where it is gone, or where a link took the place of its folder', async () => {
    const [old, fresh] = [join(dir, 'old'), join(dir, 'fresh')]
    for (const folder of [old, fresh]) mkdirSync(folder)
    symlinkSync(live, join(old, 'link'))
    const entries = ['gone', 'link/a'].map(path => ({ path, reason: 'x', absent: true }))
    const folders = { old: toRaw(old), fresh: toRaw(fresh) }
    expect(await carryOver(folders, { count: 2, entries }, signal)).toEqual([])
    expect(readdirSync(fresh)).toEqual([])
  })

  it.skipIf(process.geteuid?.() !== 0)('is named before anything is done, where another user owns it', async () => {
    await withoutPrivileges(dir, async () => {
      process.seteuid?.(0)
      execFileSync('chown', ['0:0', join(live, 'secret')])
      process.seteuid?.(65_534)
      const { incomplete } = (await snapshot()).manifest
      expect(findNotCarriable(toRaw(live), incomplete)).toMatchObject([
        { severity: 'error', subject: 'secret', hint: expect.stringContaining('--force') },
      ])
      // Linux lets nobody link a file that he may neither own nor read.
      if (readFileSync('/proc/sys/fs/protected_hardlinks', 'utf8').trim() !== '1') return
      await expect(swap(await snapshot())).rejects.toMatchObject({
        code: 'target-invalid',
        message: expect.stringContaining('live/secret was not captured'),
      })
    })
    expect(existsSync(`${live}.before-1`)).toBe(false)
    expect(statSync(live).isDirectory()).toBe(true)
  })
})
