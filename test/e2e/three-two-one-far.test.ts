import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { App } from '../../src/lib.ts'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { FaultProxy, type ProxiedCall } from '../helpers/fault-proxy.ts'
import { skipRestic } from '../helpers/restic.ts'
import { describeWithS3, type S3Server, startS3Server } from '../helpers/s3-server.ts'
import { backUpBriefly, pointsIn, withApp } from '../helpers/several-repositories.ts'
import { SlowLine } from '../helpers/slow-line.ts'
import { mustRun } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { PASSWORD } from '../helpers/workspace.ts'

/** A minute of waiting passes in a second. */
const FASTER = 60
const fastClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now() * FASTER,
  sleep: (ms, signal) => systemClock.sleep(ms / FASTER, signal),
}

describeWithS3('a local repository and a bucket', () => {
  let server: S3Server
  let proxy: FaultProxy
  let folder: string
  let bucket = 0
  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('several')
    proxy = await FaultProxy.start(server.port)
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })
  beforeEach(async () => {
    folder = makeTempDir()
    mkdirSync(join(folder, 'docs'))
    writeFileSync(join(folder, 'docs/a'), 'a')
    writeFileSync(join(folder, 'password'), PASSWORD, { mode: 0o600 })
    configure(`s3:${proxy.origin}/several/${++bucket}`)
    await here(async app => {
      await app.createRepository('far')
      await app.createRepository('main')
    })
    await cheapenKeys(join(folder, 'main'), PASSWORD)
    await cheapenKeys(join(server.folder, 'several', String(bucket)), PASSWORD)
  })
  afterEach(() => {
    proxy.forget()
    vi.restoreAllMocks()
  })

  /** The far one is named first: it is the near one that is captured into. */
  const configure = (url: string): void =>
    writeFileSync(
      join(folder, 'lifeboat.yaml'),
      JSON.stringify({
        repositories: { far: { url, passwordFile: './password' }, main: { url: './main', passwordFile: './password' } },
        sources: { docs: { kind: 'files', path: './docs' } },
        policies: { nightly: { sources: ['docs'], repositories: ['far', 'main'] } },
      }),
    )
  const here = <T>(work: (app: App) => Promise<T>): Promise<T> =>
    withApp({ folder, clock: fastClock, environment: { ...process.env, ...server.environment } }, work)
  const write = (bytes: number): void => writeFileSync(join(folder, 'docs/a'), randomBytes(bytes))

  const isPack = ({ method, path }: ProxiedCall): boolean => method === 'PUT' && path.includes('/data/')
  const behind = { done: ['docs main incremental', 'docs far copy-later'], copied: [] }
  /** The next backup brings both, and the bucket is whole. */
  const expectCompleted = async (): Promise<void> => {
    proxy.forget()
    expect(await here(app => backUpBriefly(app))).toEqual({
      done: ['docs main incremental', 'docs far main'],
      copied: ['far 2'],
    })
    await here(async app => {
      expect(await pointsIn(app, 'far')).toEqual(await pointsIn(app, 'main'))
      const far = await app.repository('far')
      const { findings } = await far.check({ readData: 1, signal: new AbortController().signal })
      expect(findings).toEqual([])
    })
  }

  test('the near one is captured into, and an unchanged source costs the far one few requests', async () => {
    expect(await here(app => backUpBriefly(app))).toEqual({
      done: ['docs main full', 'docs far main'],
      copied: ['far 1'],
    })
    proxy.forget()
    expect(await here(app => backUpBriefly(app))).toMatchObject({ copied: ['far 1'] })
    // As many as a backup straight into it takes, see s3.slow.test.ts.
    expect(proxy.calls.length).toBeLessThanOrEqual(20)
  })

  test('a far one that refuses every connection is left for later within minutes, and the near one has it at once', async () => {
    await here(app => backUpBriefly(app))
    write(100_000)
    proxy.plan = () => 'reset'
    const events: string[] = []
    const startedMs = fastClock.monotonicMs()
    await here(async app => {
      expect(await backUpBriefly(app)).toEqual(behind)
      const [run] = await app.catalog.listRuns({ limit: 1 })
      events.push(...(run?.attempts ?? []).map(({ operation, outcome }) => `${operation} ${outcome}`))
      expect(run?.attempts[1]?.findings).toMatchObject([
        { code: 'copy-later', message: 'far does not have it yet: far has not answered for 2 min' },
      ])
    })
    expect(events).toEqual(['backup done', 'copy failed'])
    // Not the quarter of an hour that the storage would try for.
    expect((fastClock.monotonicMs() - startedMs) / 60_000).toBeLessThan(8)
    await expectCompleted()
  })

  test('a far one that stalls in the middle of a pack is left for later', async () => {
    await here(app => backUpBriefly(app))
    write(3_000_000)
    const timeout = globalThis.setTimeout
    // What watches for a standstill has a clock of its own.
    vi.spyOn(globalThis, 'setTimeout').mockImplementation((work: () => void, ms = 0, ...rest: []) =>
      timeout(work, ms >= 60_000 ? ms / FASTER : ms, ...rest),
    )
    let stalled = 0
    proxy.plan = call => {
      if (stalled === 0 && !isPack(call)) return undefined
      stalled++
      return 'stall'
    }
    expect(await here(app => backUpBriefly(app))).toEqual(behind)
    expect(stalled).toBeGreaterThan(0)
    await expectCompleted()
  })

  test.each(['lost', 'reset'] as const)(
    'a far one whose connections break once (%s) gets it all the same',
    async fault => {
      await here(app => backUpBriefly(app))
      write(100_000)
      proxy.once(fault, isPack)
      expect(await here(app => backUpBriefly(app))).toMatchObject({ copied: ['far 1'] })
    },
  )

  test('a far one that refuses the key is left for later at once', async () => {
    await here(app => backUpBriefly(app))
    write(100_000)
    proxy.plan = call => (isPack(call) ? { answer: { status: 403 } } : undefined)
    expect(await here(app => backUpBriefly(app))).toEqual(behind)
    await expectCompleted()
  })

  test('over a slow line the near one is done long before the far one, which is waited for', async () => {
    await here(app => backUpBriefly(app))
    write(600_000)
    const line = await SlowLine.start(proxy.port, { latencyMs: 20, bytesPerSecond: 300_000 })
    try {
      configure(`s3:http://127.0.0.1:${line.port}/several/${bucket}`)
      await here(async app => {
        expect(await backUpBriefly(app)).toMatchObject({ copied: ['far 1'] })
        const [run] = await app.catalog.listRuns({ limit: 1 })
        const [captured, copied] = run?.attempts ?? []
        const tookMs = (attempt: typeof captured): number =>
          attempt === undefined ? NaN : attempt.finishedAt.getTime() - attempt.startedAt.getTime()
        expect(tookMs(copied)).toBeGreaterThan(1500)
        expect(captured?.finishedAt.getTime()).toBeLessThanOrEqual(copied?.startedAt.getTime() ?? 0)
      })
    } finally {
      await line.close()
    }
  })

  test.skipIf(skipRestic)('restic finds what was copied to the bucket whole', async () => {
    write(500_000)
    await here(app => backUpBriefly(app))
    const printed = await mustRun(
      'timeout',
      ['120', 'restic', '-r', `s3:${server.origin}/several/${bucket}`, 'check', '--read-data'],
      {
        env: {
          ...server.environment,
          RESTIC_PASSWORD_FILE: join(folder, 'password'),
          RESTIC_CACHE_DIR: join(folder, 'restic-cache'),
        },
      },
    )
    expect(printed).toContain('no errors were found')
  })
})
