import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createRepository, openRepository, type Repository } from '../../src/repository/index.ts'
import { LocalStorage } from '../../src/storage/local/local-storage.ts'
import { backUp, engineOptions, PASSWORD, readBack, SteppedClock } from '../helpers/engine.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const signal = new AbortController().signal

async function findingsOf(repository: Repository): Promise<readonly unknown[]> {
  return (await repository.check({ readData: 1, signal })).findings
}

describe.skipIf(skipRestic)('restic after our prune', () => {
  it.each([1, 2] as const)('finds our repository of version %i whole, and restores what we restore', async version => {
    const dir = makeTempDir()
    const clock = new SteppedClock()
    const storage = new LocalStorage(join(dir, 'repo'))
    const repository = await createRepository(storage, { ...engineOptions(clock), version })
    const restic = new Restic(dir, join(dir, 'repo'), PASSWORD)
    const db = randomBytes(3_000_000)
    for (let day = 0; day < 6; day++) {
      for (let block = day; block < 700; block += 9) randomBytes(300).copy(db, block * 4096)
      await backUp(repository, { db, text: Buffer.alloc(100_000, `day ${day}, `) })
    }
    const { snapshots } = await repository.listSnapshots()
    await repository.removeSnapshots(snapshots.slice(0, 4).map(snapshot => snapshot.id))
    const report = await repository.prune({ dryRun: false, signal, maxUnused: 0 })
    expect(report.packsRepacked).toBeGreaterThan(0)
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore)
    await restic.checkAll()
    for (const snapshot of snapshots.slice(4)) {
      const files = await readBack(repository, snapshot)
      const target = join(dir, `restored-${snapshot.id.slice(0, 8)}`)
      await restic.run('restore', snapshot.id, '--target', target)
      for (const [name, bytes] of Object.entries(files)) {
        expect(readFileSync(join(target, 'files', name)).equals(bytes)).toBe(true)
      }
    }
    expect(await findingsOf(repository)).toEqual([])
    await repository.close()
  })

  it.each(['1', '2'])('a repository that restic made, version %s: we check, prune and restore it', async version => {
    const dir = makeTempDir()
    const restic = new Restic(dir, join(dir, 'repo'), PASSWORD)
    await restic.run('init', '--repository-version', version)
    const source = join(dir, 'source')
    mkdirSync(join(source, 'deep/er'), { recursive: true })
    for (let day = 0; day < 3; day++) {
      writeFileSync(join(source, 'big'), randomBytes(4_000_000))
      writeFileSync(join(source, 'deep/er/small'), `day ${day}`)
      await restic.run('backup', source)
    }
    const repository = await openRepository(new LocalStorage(join(dir, 'repo')), engineOptions(new SteppedClock()))
    expect(await findingsOf(repository)).toEqual([])
    const { snapshots } = await repository.listSnapshots()
    const latest = snapshots[2]
    await repository.removeSnapshots(snapshots.slice(0, 2).map(snapshot => snapshot.id))
    const report = await repository.prune({ dryRun: false, signal })
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore / 2)
    expect(await findingsOf(repository)).toEqual([])
    await repository.close()
    await restic.checkAll()
    await restic.run('restore', latest?.id ?? '', '--target', join(dir, 'out'))
    expect(readFileSync(join(dir, 'out', source, 'big')).equals(readFileSync(join(source, 'big')))).toBe(true)
    expect(readFileSync(join(dir, 'out', source, 'deep/er/small'), 'utf8')).toBe('day 2')
    await restic.run('forget', '--prune', '--keep-last', '1')
    await restic.checkAll()
  })

  it('damage that restic finds, we find too', async () => {
    const dir = makeTempDir()
    const clock = new SteppedClock()
    const storage = new LocalStorage(join(dir, 'repo'))
    const repository = await createRepository(storage, engineOptions(clock))
    await backUp(repository, { db: randomBytes(500_000) })
    await repository.close()
    const restic = new Restic(dir, join(dir, 'repo'), PASSWORD)
    await restic.checkAll()
    for await (const key of storage.listKeys('data/')) {
      const bytes = await storage.load(key)
      bytes[100] = (bytes[100] ?? 0) ^ 4
      await storage.save(key, bytes)
    }
    await expect(restic.checkAll()).rejects.toThrow(/restic/)
    const opened = await openRepository(storage, engineOptions(clock))
    expect(await findingsOf(opened)).toContainEqual(
      expect.objectContaining({ code: 'pack-damaged', severity: 'error' }),
    )
    await opened.close()
  })
})
