import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { labelsToTags, SAFETY_TAG } from '../../model/recovery-point.ts'
import { createRepository, type Repository, type Snapshot } from '../../repository/index.ts'
import { getWishedSnapshot as getWished, type HostWish, type SnapshotWish } from './find-snapshot.ts'
import { listRecoveryPoints } from './snapshots.ts'

const HERE = { own: 'host', named: undefined }
const NOW = new Date('2026-01-01T00:00:00Z')
let findings: Finding[] = []
beforeEach(() => void (findings = []))

const getWishedSnapshot = (...[from, source, wish, host]: WishArguments): Promise<Snapshot> =>
  getWished(from, source, wish, host, { now: NOW, onFinding: finding => findings.push(finding) })
type WishArguments = [Repository, string | undefined, SnapshotWish, HostWish]

let repository: Repository
let app: Snapshot[]
let foreign: Snapshot

beforeAll(async () => {
  repository = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  const add = (day: number, tags: string[]): Promise<Snapshot> =>
    backUp(repository, { file: Buffer.from(`${day}`) }, undefined, { time: new Date(Date.UTC(2025, 0, day)), tags })
  const labels = labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run: 'r' })
  app = [await add(1, labels), await add(3, [...labels, 'before-migration'])]
  foreign = await add(5, ['home'])
})
afterAll(() => repository.close())

it('finds the newest, the newest at a moment, and by id', async () => {
  expect((await getWishedSnapshot(repository, 'app', { kind: 'latest' }, HERE)).id).toBe(app[1]?.id)
  const at = { kind: 'at', time: new Date('2025-01-02T12:00:00Z') } as const
  expect((await getWishedSnapshot(repository, 'app', at, HERE)).id).toBe(app[0]?.id)
  expect((await getWishedSnapshot(repository, undefined, { kind: 'latest' }, HERE)).id).toBe(foreign.id)
  const prefix = app[0]?.id.slice(0, 12) ?? ''
  expect((await getWishedSnapshot(repository, 'app', { kind: 'id', prefix }, HERE)).id).toBe(app[0]?.id)
})

it('says what there is when there is no such snapshot', async () => {
  const early = { kind: 'at', time: new Date('2024-12-31T00:00:00Z') } as const
  await expect(getWishedSnapshot(repository, 'app', early, HERE)).rejects.toMatchObject({
    code: 'snapshot-not-found',
    hint: `The oldest one is of ${formatTime(new Date('2025-01-01T00:00:00Z'))}.`,
  })
  await expect(getWishedSnapshot(repository, 'ap', { kind: 'latest' }, HERE)).rejects.toMatchObject({
    hint: 'Did you mean "app"?',
  })
  await expect(getWishedSnapshot(repository, 'mail', { kind: 'latest' }, HERE)).rejects.toMatchObject({
    hint: 'Run "lifeboat backup mail" to take one. There are snapshots of: app.',
  })
  const id = app[0]?.id.slice(0, 8) ?? ''
  await expect(getWishedSnapshot(repository, id, { kind: 'latest' }, HERE)).rejects.toMatchObject({
    hint: `Name the source before the snapshot: app ${id}.`,
  })
  await expect(getWishedSnapshot(repository, 'app', { kind: 'id', prefix: foreign.id }, HERE)).rejects.toMatchObject({
    message: expect.stringContaining('is not of source app'),
  })
})

it('takes a part for the latest in no case', async () => {
  const partial = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  try {
    const add = (day: number, type: 'full' | 'schema' | 'data') =>
      backUp(partial, { file: Buffer.from(`${day}`) }, undefined, {
        time: new Date(Date.UTC(2025, 0, day)),
        tags: labelsToTags({ source: 'app', kind: 'sqlite', type, run: 'r' }),
      })
    const schema = await add(1, 'schema')
    await expect(getWishedSnapshot(partial, 'app', { kind: 'latest' }, HERE)).rejects.toMatchObject({
      message: 'no whole snapshot of source app, only parts and what restores made safe',
    })
    const full = await add(2, 'full')
    await add(3, 'data')
    await add(4, 'schema')
    expect((await getWishedSnapshot(partial, 'app', { kind: 'latest' }, HERE)).id).toBe(full.id)
    const at = { kind: 'at', time: new Date('2025-01-05T00:00:00Z') } as const
    expect((await getWishedSnapshot(partial, 'app', at, HERE)).id).toBe(full.id)
    expect((await getWishedSnapshot(partial, 'app', { kind: 'id', prefix: schema.id }, HERE)).id).toBe(schema.id)
  } finally {
    await partial.close()
  }
})

it('lists recovery points with what is proven, other programs’ without source', async () => {
  const at = new Date('2025-02-01T00:00:00Z')
  const proofs = new Map([[app[0]?.id ?? '', { proof: 'checked' as const, at }]])
  const request = { repositories: [{ name: 'main', repository }], source: undefined, now: at, proofs: () => proofs }
  const { recoveryPoints } = await listRecoveryPoints(request)
  expect(recoveryPoints.map(point => [point.source, point.proof, point.provenAt, point.tags])).toEqual([
    ['app', 'checked', at, []],
    ['app', 'recorded', undefined, ['before-migration']],
    [undefined, 'recorded', undefined, ['home']],
  ])
  expect((await listRecoveryPoints({ ...request, source: 'app' })).recoveryPoints).toHaveLength(2)
  const [first, second] = recoveryPoints
  const since = await listRecoveryPoints({ ...request, since: second?.time })
  expect(since.recoveryPoints.map(({ id }) => id)).toEqual(recoveryPoints.slice(1).map(({ id }) => id))
  const until = await listRecoveryPoints({ ...request, until: first?.time })
  expect(until.recoveryPoints.map(({ id }) => id)).toEqual([first?.id])
})

it('means this host’s snapshots, another’s only when there is no doubt or it is named', async () => {
  const shared = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  const tags = labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run: 'r' })
  const add = (day: number, hostname: string): Promise<Snapshot> =>
    backUp(shared, { file: Buffer.from(hostname) }, undefined, {
      time: new Date(Date.UTC(2025, 0, day)),
      tags,
      hostname,
    })
  const wished = (own: string, named?: string): Promise<Snapshot> =>
    getWishedSnapshot(shared, 'app', { kind: 'latest' }, { own, named })
  try {
    const a = await add(1, 'a')
    expect((await wished('new-machine')).id).toBe(a.id)
    const b = await add(2, 'b')
    expect((await wished('a')).id).toBe(a.id)
    expect((await wished('a', 'b')).id).toBe(b.id)
    await expect(wished('new-machine')).rejects.toMatchObject({ code: 'usage', hint: 'Name one with --host: a, b.' })
    await expect(wished('a', 'c')).rejects.toMatchObject({ code: 'snapshot-not-found' })
  } finally {
    await shared.close()
  }
})

it('passes over snapshots from the future, and names them; by id they can be had', async () => {
  const wrong = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  const tags = labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run: 'r' })
  const add = (time: string): Promise<Snapshot> =>
    backUp(wrong, { file: Buffer.from(time) }, undefined, { time: new Date(time), tags })
  try {
    const future = await add('2029-01-01T00:00:00Z')
    expect((await getWishedSnapshot(wrong, 'app', { kind: 'latest' }, HERE)).id).toBe(future.id)
    expect(findings).toMatchObject([{ code: 'snapshot-of-the-future', hint: expect.stringContaining('clock') }])
    const real = await add('2025-12-31T00:00:00Z')
    const near = await add('2026-01-01T00:09:00Z')
    findings = []
    const meant = [{ kind: 'latest' }, { kind: 'at', time: new Date('2030-01-01T00:00:00Z') }] as const
    for (const wish of meant) expect((await getWishedSnapshot(wrong, 'app', wish, HERE)).id).toBe(near.id)
    expect(findings).toHaveLength(2)
    expect(findings[0]).toMatchObject({ severity: 'warning', subject: `snapshot ${future.id.slice(0, 8)}` })
    const before = { kind: 'at', time: new Date('2025-12-31T12:00:00Z') } as const
    expect((await getWishedSnapshot(wrong, 'app', before, HERE)).id).toBe(real.id)
    const byId = { kind: 'id', prefix: future.id } as const
    expect((await getWishedSnapshot(wrong, 'app', byId, HERE)).id).toBe(future.id)
  } finally {
    await wrong.close()
  }
})

it('takes a safety point for the latest in no case, of all or of some tables', async () => {
  const guarded = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  try {
    const add = (day: number, ...tags: string[]) =>
      backUp(guarded, { file: Buffer.from(`${day}`) }, undefined, {
        time: new Date(Date.UTC(2025, 0, day)),
        tags: [...labelsToTags({ source: 'app', kind: 'postgres', type: 'full', run: 'r' }), ...tags],
      })
    const safety = await add(1, SAFETY_TAG)
    const latest = { kind: 'latest' } as const
    await expect(getWishedSnapshot(guarded, 'app', latest, HERE)).rejects.toMatchObject({
      message: 'no whole snapshot of source app, only parts and what restores made safe',
    })
    const whole = await add(2)
    await add(3, SAFETY_TAG)
    const at = { kind: 'at', time: new Date('2025-01-05T00:00:00Z') } as const
    for (const source of ['app', undefined]) {
      expect((await getWishedSnapshot(guarded, source, latest, HERE)).id).toBe(whole.id)
      expect((await getWishedSnapshot(guarded, source, at, HERE)).id).toBe(whole.id)
    }
    expect((await getWishedSnapshot(guarded, 'app', { kind: 'id', prefix: safety.id }, HERE)).id).toBe(safety.id)
  } finally {
    await guarded.close()
  }
})
