import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { labelsToTags } from '../../model/recovery-point.ts'
import { createRepository, type Repository } from '../../repository/index.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type ChosenSnapshot, chooseSnapshot } from './choose-snapshot.ts'

const DAY_MS = 86_400_000
const NOW = new Date('2026-01-31T00:00:00Z')
let opened: Repository[]
let findings: Finding[]
let abandoned: string[]
let sleptMs: number[]
beforeEach(() => {
  opened = []
  findings = []
  abandoned = []
  sleptMs = []
})
afterEach(() => Promise.all(opened.map(each => each.close())))

/** With a snapshot of `app` that is so many days old. */
const repositoryOf = async (ageDays: number): Promise<Repository> => {
  const repository = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  opened.push(repository)
  const tags = labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run: 'r' })
  const time = new Date(NOW.getTime() - ageDays * DAY_MS)
  await backUp(repository, { file: Buffer.from(`${ageDays}`) }, undefined, { time, tags })
  return repository
}

const never = new Promise<never>(() => {})

/** `near` lies on this machine, whatever its place in the configuration. Time passes at once, or not at all. */
const workspaceWith = (repositories: Record<string, Promise<Repository>>, timePasses: boolean): Workspace => {
  const workspace: Partial<Workspace> = {
    settings: { repositories: new Map(Object.keys(repositories).map(name => [name, {}])) } as never,
    host: { hostname: 'host' } as never,
    clock: {
      now: () => NOW,
      monotonicMs: () => 0,
      sleep: async (ms, signal) => {
        sleptMs.push(ms)
        if (timePasses) return
        await new Promise<void>(resolve => signal?.addEventListener('abort', () => resolve(), { once: true }))
      },
    },
    repository: async name => await (repositories[name] as Promise<Repository>),
    abandonRepository: name => void abandoned.push(name),
    repositoryPlace: name => ({ folder: name === 'near' ? '/near' : undefined, password: undefined }),
  }
  return workspace as Workspace
}

const choose = async (repositories: Record<string, Promise<Repository>>, timePasses = false): Promise<ChosenSnapshot> =>
  await chooseSnapshot(workspaceWith(repositories, timePasses), { source: 'app', wish: { kind: 'latest' } }, finding =>
    findings.push(finding),
  )

it('takes the newest of all that answer, and the nearest of copies', async () => {
  const [near, far] = [await repositoryOf(3), await repositoryOf(1)]
  expect(await choose({ near: Promise.resolve(near), far: Promise.resolve(far) })).toMatchObject({ name: 'far' })
  const copy = await repositoryOf(3)
  expect(await choose({ far: Promise.resolve(copy), near: Promise.resolve(near) })).toMatchObject({ name: 'near' })
  expect([findings, abandoned]).toEqual([[], []])
})

it('does not wait long for one that is away once another has it, and says that nothing is known of it', async () => {
  const near = await repositoryOf(3)
  expect(await choose({ far: never, near: Promise.resolve(near) }, true)).toMatchObject({ name: 'near' })
  expect(abandoned).toEqual(['far'])
  expect(sleptMs).toEqual([8000])
  expect(findings).toMatchObject([
    { code: 'repository-not-waited-for', subject: 'repository far', hint: 'To wait for it, name it: --from far' },
  ])
})

it('waits for one as long as no other has what is wanted', async () => {
  const { promise, resolve } = Promise.withResolvers<Repository>()
  const empty = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  opened.push(empty)
  const chosen = choose({ near: Promise.resolve(empty), far: promise })
  setImmediate(() => void repositoryOf(1).then(resolve))
  expect(await chosen).toMatchObject({ name: 'far' })
  expect(abandoned).toEqual([])
})

it('names those that failed as long as one has it, and else throws what failed', async () => {
  const broken = (): Promise<never> => Promise.reject(new AppError('wrong-password', 'the password opens nothing'))
  const near = await repositoryOf(3)
  expect(await choose({ far: broken(), near: Promise.resolve(near) })).toMatchObject({ name: 'near' })
  expect(findings).toMatchObject([{ code: 'wrong-password', subject: 'repository far' }])
  await expect(choose({ far: broken() })).rejects.toMatchObject({ code: 'wrong-password' })
})
