import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Secret } from '../../src/base/secret.ts'
import type { TreeNode } from '../../src/model/node.ts'
import { createRepository, type NewSnapshot } from '../../src/repository/index.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { PASSWORD } from './contestant.ts'
import type { RaceContext } from './races.ts'

const SNAPSHOTS = 10_000

/** One repository with 10 000 snapshots; listing them all, by those who read restic's format. */
export async function raceSnapshots({ contestants, recorder, dir, rounds, say }: RaceContext): Promise<void> {
  say(`making a repository with ${SNAPSHOTS} snapshots`)
  const repository = await makeRepository(SNAPSHOTS)
  const racing = contestants.filter(tool => tool.name !== 'borg')
  for (const tool of racing) {
    const home = join(dir, `${tool.name}-snapshots`)
    rmSync(home, { recursive: true, force: true })
    await tool.init(home, join(dir, 'app.db'))
    rmSync(join(home, 'repository'), { recursive: true })
    await writeOut(repository, join(home, 'repository'))
    // The first one fills the tool's cache.
    await tool.listSnapshots(home)
  }
  for (let round = 0; round < rounds; round++) {
    for (const tool of racing) {
      const measured = await tool.listSnapshots(join(dir, `${tool.name}-snapshots`))
      recorder.add('snapshots, 10 000 of them', tool.name, measured)
    }
  }
  for (const tool of racing) rmSync(join(dir, `${tool.name}-snapshots`), { recursive: true, force: true })
}

/** In memory, so that nothing waits for a disk. With new trees each snapshot has one, and a pack, of its own. */
export async function makeRepository(snapshots: number, { newTrees = false } = {}): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  const repository = await createRepository(storage, {
    password: new Secret(PASSWORD),
    // A lock is given time to be seen by others; here there are none.
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    random: systemRandom,
    logger: silentLogger,
    cacheDir: undefined,
  })
  const signal = new AbortController().signal
  for (let number = 0; number < snapshots; number++) {
    const writing = await repository.startWriting({ signal })
    const inside = await writing.saveTree(newTrees ? [fileOf(number)] : [])
    const tree = await writing.saveTree([{ ...META, name: 'app', type: 'dir', subtree: inside }])
    await writing.saveSnapshot(snapshotOf(number, tree))
  }
  await repository.close()
  return storage
}

const META = { mode: 0o700, mtimeNs: 0n, uid: 0, gid: 0 }

function fileOf(number: number): TreeNode {
  return { ...META, name: `file-${number}`, type: 'file', content: [], sizeBytes: 0 }
}

/** As an hourly backup of one source makes them. */
function snapshotOf(number: number, tree: string): NewSnapshot {
  const time = new Date(Date.UTC(2025, 0, 1) + number * 3_600_000)
  return {
    time,
    tree,
    paths: ['/app'],
    hostname: 'bench',
    username: 'bench',
    tags: ['lifeboat', 'source:app', 'kind:sqlite', 'type:incremental', `run:${number}`],
    programVersion: 'lifeboat bench',
    summary: {
      backupStart: time,
      backupEnd: new Date(time.getTime() + 1000),
      filesNew: 0,
      filesChanged: 1,
      filesUnmodified: 0,
      dirsNew: 0,
      dirsChanged: 0,
      dirsUnmodified: 0,
      dataBlobs: 30,
      treeBlobs: 2,
      dataAdded: 500_000,
      dataAddedPacked: 170_000,
      totalFilesProcessed: 1,
      totalBytesProcessed: 1_500_000_000,
    },
  }
}

export async function writeOut(storage: MemoryStorage, folder: string): Promise<void> {
  for (const kind of ['data', 'index', 'keys', 'locks', 'snapshots']) {
    mkdirSync(join(folder, kind), { recursive: true, mode: 0o700 })
  }
  for await (const { key } of storage.list('')) {
    const path = join(folder, key)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, await storage.load(key), { mode: 0o600 })
  }
}
