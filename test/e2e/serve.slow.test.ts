import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunningCommand } from '../helpers/spawn.ts'
import { prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

/** The real command, with schedules of seconds. */
describe('lifeboat serve', () => {
  const prepared = prepareWorkspace(async fresh => {
    fresh.makeDocs()
    fresh.makeDatabase(10)
    await fresh.run('init', '--yes')
  })
  let workspace: Workspace
  const running: RunningCommand[] = []

  beforeEach(() => {
    workspace = prepared()
  })
  afterEach(async () => {
    for (const command of running.splice(0)) {
      // A killed one would leave its backup, which writes into the folder that is removed next.
      command.child.kill('SIGTERM')
      await command.result
    }
  })

  function serve(): RunningCommand {
    const command = workspace.start('serve')
    running.push(command)
    return command
  }

  const configFile = (): string => workspace.path('lifeboat.yaml')
  const policies = (text: string): void => appendFileSync(configFile(), `policies:\n${text}`)
  const everySecond = '  often: { sources: [docs], repositories: [main], schedule: "* * * * * *" }\n'

  const backups = async () => {
    const listed = JSON.parse(await workspace.run('runs', '--operation', 'backup', '--json')) as {
      readonly state: string
      readonly policy: string
      readonly run: string
    }[]
    return listed
  }
  const untilDone = (policy: string, count: number) =>
    expect
      .poll(async () => (await backups()).filter(each => each.state === 'done' && each.policy === policy).length, {
        timeout: 90_000,
        interval: 500,
      })
      .toBeGreaterThanOrEqual(count)

  test('backs up at its times, keeps a log of each run, and ends when told, with no lock left', async () => {
    policies(everySecond)
    const server = serve()
    await untilDone('often', 2)
    server.child.kill('SIGTERM')
    expect((await server.result).stderr).toContain('backup often: done')
    expect(await workspace.run('check')).not.toContain('lock')
    const newest = (await backups()).find(each => each.state === 'done')
    const log = readFileSync(workspace.path(`.lifeboat/logs/runs/${newest?.run}.jsonl`), 'utf8')
    expect(log).toContain('"kind":"begun"')
  })

  test('a second one is refused at once; after kill -9 of the first, the next goes on', async () => {
    policies(everySecond)
    const first = serve()
    await untilDone('often', 1)
    const second = await workspace.try('serve')
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('another "lifeboat serve" works with')])
    first.child.kill('SIGKILL')
    await first.result
    const count = (await backups()).length
    serve()
    await untilDone('often', count + 1)
  })

  test('takes up a changed configuration on SIGHUP, and refuses a wrong one', async () => {
    policies(everySecond)
    const server = serve()
    await untilDone('often', 1)
    const good = readFileSync(configFile(), 'utf8')
    const refused = () =>
      (JSON.parse(readFileSync(workspace.path('.lifeboat/serve.json'), 'utf8')) as { refused: string }).refused
    writeFileSync(configFile(), `${good}nonsense: 1\n`)
    server.child.kill('SIGHUP')
    await expect.poll(refused, { timeout: 40_000 }).toContain('nonsense')
    writeFileSync(configFile(), good.replaceAll('often', 'renamed'))
    server.child.kill('SIGHUP')
    await untilDone('renamed', 1)
    await expect.poll(refused, { timeout: 40_000 }).toBeNull()
  })

  test('--once does what is due, says how it went, and ends', async () => {
    policies(everySecond)
    const first = await workspace.try('serve', '--once')
    expect([first.code, first.stdout]).toEqual([0, 'Nothing was due\n'])
    await expect
      .poll(async () => (await workspace.try('serve', '--once')).stdout, { timeout: 30_000 })
      .toBe('1 ended, 0 failed\n')
    rmSync(workspace.repository, { recursive: true })
    await expect
      .poll(async () => workspace.try('serve', '--once'), { timeout: 30_000 })
      .toMatchObject({ code: 1, stdout: '1 ended, 1 failed\n' })
  })

  test('a pause holds, and what it held back comes when it is ended', async () => {
    policies(everySecond)
    await workspace.run('serve', '--once')
    await workspace.run('pause', 'often', '--until', '1h')
    expect((await workspace.try('serve', '--once')).stdout).toBe('Nothing was due\n')
    await workspace.run('resume', 'often')
    expect((await workspace.try('serve', '--once')).stdout).toBe('1 ended, 0 failed\n')
  })
})
