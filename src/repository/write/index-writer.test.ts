import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { BLOCKS, backUp, contentOf, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { createRepository } from '../create.ts'

const { signal } = new AbortController()
const MINUTE = 60_000

test.each([
  [4, 1],
  [6, 2],
])(
  'a writing that takes %i minutes leaves %i index files: what none names is stored again after a kill',
  async (minutes, files) => {
    const clock = new SteppedClock()
    const storage = new MemoryStorage('slow:', undefined, { packBytes: 64 * 1024 })
    const repository = await createRepository(storage, engineOptions(clock))
    const { id: _id, ...fields } = await backUp(repository, {})
    const before = await countOf(storage)
    const writing = await repository.startWriting({ signal })
    await writing.writeContent(contentOf(randomBytes(3_000_000), BLOCKS))
    clock.advance(minutes * MINUTE)
    await writing.writeContent(contentOf(randomBytes(3_000_000), BLOCKS))
    await writing.saveSnapshot(fields)
    expect((await countOf(storage)) - before).toBe(files)
  },
)

async function countOf(storage: MemoryStorage): Promise<number> {
  let count = 0
  for await (const _ of storage.listKeys('index/')) count++
  return count
}
