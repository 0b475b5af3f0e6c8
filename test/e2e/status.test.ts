import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import { Workspace } from '../helpers/workspace.ts'

let workspace: Workspace
beforeEach(async () => {
  workspace = new Workspace()
  workspace.makeDocs()
  workspace.makeDatabase(10)
  appendFileSync(
    workspace.path('lifeboat.yaml'),
    'policies:\n  nightly: { sources: [app, docs], repositories: [main], schedule: "0 2 * * *", objectives: { rpo: 2h } }\n',
  )
  await workspace.run('init', '--yes')
})

interface StatusJson {
  readonly scheduler: { readonly state: string }
  readonly sources: {
    readonly source: string
    readonly newest: object | null
    readonly allowedMs: number
    readonly next: object
  }[]
  readonly problems: { readonly code: string; readonly subject: string }[]
}
const statusOf = async (): Promise<StatusJson> => JSON.parse(await workspace.run('status', '--json')) as StatusJson

test('says what can be gone back to, and what cannot', async () => {
  await workspace.run('backup', 'app', '--policy', 'nightly')
  const { sources, problems, scheduler } = await statusOf()
  expect(sources).toEqual([
    expect.objectContaining({
      source: 'app',
      newest: expect.anything(),
      allowedMs: 7_200_000,
      next: expect.anything(),
    }),
    expect.objectContaining({ source: 'docs', newest: null }),
  ])
  expect(problems.map(each => `${each.code} ${each.subject}`)).toEqual([
    'no-recovery-point docs',
    'scheduler-none lifeboat serve',
  ])
  expect(scheduler.state).toBe('none')
  expect(await workspace.run('status')).toMatch(
    /docs +none .*\n(.*\n)*error: docs: there is no recovery point\n.*lifeboat backup docs/,
  )
})

test('health ends with 0 when all is well, else with 1', async () => {
  expect(await workspace.try('health')).toMatchObject({ code: 1, stdout: expect.stringContaining('no recovery point') })
  await workspace.run('backup')
  expect(await workspace.try('health')).toMatchObject({ code: 0, stdout: 'All is well.\n' })
  const figures = JSON.parse(await workspace.run('health', '--json')) as object
  expect(figures).toMatchObject({
    healthy: true,
    totalBackups: 1,
    successRate: 100,
    consecutiveFailures: 0,
    hoursSinceLastBackup: 0,
  })
})

test('a repository that is away is named, and nothing is said to be missing in it', async () => {
  await workspace.run('backup')
  rmSync(workspace.repository, { recursive: true })
  const { problems } = await statusOf()
  expect(problems.map(each => each.code)).toEqual(['repository-away', 'scheduler-none'])
})

test('a scheduler that was killed is an error, one that was stopped is not', async () => {
  await workspace.run('backup')
  const beat = (more: object): void =>
    writeFileSync(
      workspace.path('.lifeboat/serve.json'),
      JSON.stringify({
        owner: { hostname: 'elsewhere', pid: 1 },
        startedAt: '2026-05-01T00:00:00.000Z',
        tickedAt: '2026-05-01T00:00:00.000Z',
        running: [],
        ended: false,
        refused: null,
        ...more,
      }),
    )
  const problems = async () => (await statusOf()).problems.map(each => each.code)
  beat({})
  expect(await problems()).toEqual(['scheduler-late'])
  beat({ ended: true })
  expect(await problems()).toEqual(['scheduler-stopped'])
  beat({ tickedAt: new Date().toISOString(), refused: 'line 3' })
  expect(await problems()).toEqual(['configuration-refused'])
})
