import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { createRepository, openRepository } from '../../src/repository/index.ts'
import type { Retention, Storage } from '../../src/storage/storage.ts'
import { backUp, engineOptions, readBack } from '../helpers/engine.ts'
import type { ObjectsServer } from '../helpers/versioned-objects.ts'

const DAY = 86_400_000
/** Services keep whole seconds. */
const START = Math.floor(Date.now() / 1000) * 1000
const inDays = (days: number): Date => new Date(START + days * DAY)

/** What a service that locks objects must do for us, on a server that enforces it as documented. */
export function testObjectLocks(init: {
  readonly start: () => Promise<ObjectsServer>
  readonly open: (server: ObjectsServer, lock: { mode: string; period: string } | undefined) => Promise<Storage>
}): void {
  let server: ObjectsServer
  const opened: Storage[] = []

  async function open(mode?: 'governance' | 'compliance'): Promise<Storage & { readonly retention: Retention }> {
    const storage = await init.open(server, mode && { mode, period: '30d' })
    opened.push(storage)
    const { retention } = storage
    if (!retention) throw new Error('no retention')
    return Object.assign(storage, { retention })
  }

  beforeEach(async () => {
    server = await init.start()
  })
  afterEach(async () => {
    for (const storage of opened.splice(0)) await storage.close()
    await server.close()
  })

  test.each(['compliance', 'governance'] as const)('an object is locked when it is stored, in mode %s', async mode => {
    const storage = await open(mode)
    await storage.save('data/a', Buffer.from('x'), { lockedUntil: inDays(45) })
    expect(await storage.retention.findLockedUntil('data/a')).toEqual(inDays(45))
    const [stored] = server.objects.all()
    expect(stored?.version.lock?.mode).toBe(mode === 'compliance' ? 'locked' : 'unlocked')
    expect((await storage.load('data/a')).toString()).toBe('x')
  })

  test('nothing is locked where the settings do not ask for it', async () => {
    const storage = await open()
    await storage.save('data/a', Buffer.from('x'))
    expect(await storage.retention.findLockedUntil('data/a')).toBeUndefined()
  })

  test('a lock becomes longer, and a shorter one leaves it as it is', async () => {
    const storage = await open('compliance')
    await storage.save('data/a', Buffer.from('x'), { lockedUntil: inDays(2) })
    await storage.retention.extendLock('data/a', inDays(3))
    await storage.retention.extendLock('data/a', inDays(1))
    expect(await storage.retention.findLockedUntil('data/a')).toEqual(inDays(3))
  })

  test('what is not there has no lock and gets none', async () => {
    const storage = await open('compliance')
    expect(await storage.retention.findLockedUntil('data/a')).toBeUndefined()
    await expect(storage.retention.extendLock('data/a', inDays(1))).rejects.toMatchObject({ code: 'storage-not-found' })
  })

  test('tells what the bucket can do', async () => {
    expect(await (await open()).retention.readBucket()).toEqual({ keepsVersions: true, locksObjects: true })
  })

  test.each([
    ['compliance', true, 'refused'],
    ['governance', true, 'ended'],
    ['compliance', false, 'destroyed'],
  ] as const)('an empty object, mode %s, locked %s: %s', async (mode, isLocked, came) => {
    const storage = await open(mode)
    expect(await storage.retention.tryToDestroy('data/canary', isLocked)).toBe(came)
    expect(await storage.find('data/canary')).toBeUndefined()
  })

  test('a repository outlasts who removes all of it, and then every version', async () => {
    const repository = await createRepository(await open('compliance'), engineOptions(systemClock))
    const snapshot = await backUp(repository, { a: Buffer.alloc(9000, 1) })
    const attacker = await open()
    for await (const key of attacker.listKeys('')) await attacker.remove(key)
    for (const { key, version } of server.objects.all()) server.objects.destroy(key, version.id)
    await expect(openRepository(attacker, engineOptions(systemClock))).rejects.toMatchObject({ code: 'no-repository' })
    // What is left are the locked versions: put in sight again, they are the repository.
    for (const { key, version } of server.objects.all()) server.objects.put(key, version.content, version.lock)
    const again = await openRepository(await open('compliance'), engineOptions(systemClock))
    expect(await readBack(again, snapshot)).toEqual({ a: Buffer.alloc(9000, 1) })
    const kept = server.objects.all().map(({ key }) => key)
    expect(kept.some(key => key.includes('locks/'))).toBe(false)
    await again.close()
    await repository.close()
    opened.length = 0
    await attacker.close()
  })
}
