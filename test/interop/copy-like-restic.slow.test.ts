import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRepository, openRepository, type Repository } from '../../src/repository/index.ts'
import { LocalStorage } from '../../src/storage/local/local-storage.ts'
import { backUp, engineOptions, PASSWORD, readBack, SteppedClock } from '../helpers/engine.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'

const { signal } = new AbortController()
const options = () => engineOptions(new SteppedClock())

const create = async (path: string): Promise<Repository> => await createRepository(new LocalStorage(path), options())
const open = async (path: string): Promise<Repository> => await openRepository(new LocalStorage(path), options())

/** What `restic copy` prints. */
async function resticCopies(dir: string, from: string, to: string): Promise<string> {
  const passwordFile = join(dir, 'password')
  writeFileSync(passwordFile, PASSWORD)
  return await new Restic(dir, to, PASSWORD).run('copy', '--from-repo', from, '--from-password-file', passwordFile)
}

describe.skipIf(skipRestic)('copies', () => {
  const files = { 'app.db': randomBytes(700_000), notes: Buffer.from('notes '.repeat(5000)) }
  let dir: string
  let ours: string

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lifeboat-copy-'))
    ours = join(dir, 'ours')
    const repository = await create(ours)
    await backUp(repository, files, signal, { tags: ['lifeboat', 'source:app'], time: new Date(1_700_000_000_000) })
    await repository.close()
  })

  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('ours is sound to restic, restores with it, and is no news to its own copy', async () => {
    const [from, path] = [await open(ours), join(dir, 'our-copy')]
    const copy = await create(path)
    const { snapshots } = await from.listSnapshots()
    const { copied } = await copy.copyFrom(from, snapshots, { signal })
    await Promise.all([from.close(), copy.close()])

    const restic = new Restic(dir, path, PASSWORD)
    await restic.checkAll()
    await restic.restore(copied[0]?.snapshot.id ?? '', join(dir, 'restored'))
    for (const [name, content] of Object.entries(files)) {
      expect(readFileSync(join(dir, 'restored/files', name)).equals(content)).toBe(true)
    }
    expect(await resticCopies(dir, ours, path)).toContain('was already copied to snapshot')
    expect(await restic.snapshots()).toMatchObject([
      { id: copied[0]?.snapshot.id, original: snapshots[0]?.id, tags: ['lifeboat', 'source:app'] },
    ])
  })

  test.each([1, 2] as const)('of what restic wrote in version %i keep every field and its times', async version => {
    const [theirs, path, folder] = ['theirs', 'copy-of-theirs', 'folder'].map(name =>
      join(dir, `${name}-${version}`),
    ) as [string, string, string]
    mkdirSync(join(folder, 'deep/er'), { recursive: true })
    writeFileSync(join(folder, 'big'), randomBytes(3_000_000))
    writeFileSync(join(folder, 'deep/er/small'), 'small')
    const restic = new Restic(dir, theirs, PASSWORD)
    await restic.init(version)
    await restic.run('backup', '--tag', 'a,b', folder)
    writeFileSync(join(folder, 'deep/er/small'), 'changed')
    await restic.run('backup', folder)

    const [from, copy] = [await open(theirs), await create(path)]
    const report = await copy.copyFrom(from, (await from.listSnapshots()).snapshots, { signal })
    expect(report).toMatchObject({ leftOut: [], findings: [] })
    await Promise.all([from.close(), copy.close()])

    const copied = new Restic(dir, path, PASSWORD)
    await copied.checkAll()
    const wanted = (await restic.snapshots()).map(({ id, time, tree, paths, hostname, username }) => ({
      time,
      tree,
      paths,
      hostname,
      username,
      original: id,
    }))
    expect(await copied.snapshots()).toMatchObject(wanted)
    expect((await copied.snapshots()).map(({ tags }) => tags)).toEqual([['a', 'b'], undefined])
    await copied.restore('latest', join(dir, `again-${version}`))
    expect(readFileSync(join(dir, `again-${version}`, folder, 'deep/er/small'), 'utf8')).toBe('changed')
    const big = readFileSync(join(dir, `again-${version}`, folder, 'big'))
    expect(big.equals(readFileSync(join(folder, 'big')))).toBe(true)
    await resticCopies(dir, theirs, path)
    expect(await copied.snapshots()).toHaveLength(2)
  })

  test('that restic made are no news to us', async () => {
    const path = join(dir, 'restics-copy')
    const restic = new Restic(dir, path, PASSWORD)
    await restic.init(2)
    await resticCopies(dir, ours, path)
    const [from, copy] = [await open(ours), await open(path)]
    const report = await copy.copyFrom(from, (await from.listSnapshots()).snapshots, { signal })
    expect(report.copied).toEqual([])
    expect(report.present).toHaveLength(1)
    const [snapshot] = (await copy.listSnapshots()).snapshots
    const read = snapshot && (await readBack(copy, snapshot))
    for (const [name, content] of Object.entries(files)) expect(read?.[name]?.equals(content)).toBe(true)
    await Promise.all([from.close(), copy.close()])
  })
})
