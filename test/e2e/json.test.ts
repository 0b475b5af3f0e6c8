import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { processStart, thisProcess } from '../../src/base/process-life.ts'
import { openSqliteCatalog } from '../../src/catalog/sqlite/sqlite-catalog.ts'
import { COMMANDS } from '../../src/cli/registry.ts'
import { errorOutput } from '../../src/outputs/fields.ts'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { runLifeboat } from '../helpers/spawn.ts'
import { Workspace } from '../helpers/workspace.ts'

/** `docs/reference/json.md` is made from JSON_OUTPUTS; here real outputs are held to them. */
describe('every --json output is as documented', () => {
  let workspace: Workspace
  const seen = new Set<string>()

  async function validated(command: string, ...args: string[]): Promise<unknown> {
    const result = await workspace.try(...command.split(' '), ...args, '--json')
    expect([result.code, result.stderr]).toEqual([0, expect.any(String)])
    seen.add(command)
    return documentedOutput(command, result.stdout)
  }

  beforeAll(() => {
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-json-')))
  })
  afterAll(() => rmSync(workspace.dir, { recursive: true, force: true }))

  test('init to restore', async () => {
    workspace.makeDatabase(200)
    workspace.makeDocs()
    expect(await validated('init', '--yes')).toMatchObject({ configCreated: false, repositories: [{ created: true }] })
    await validated('probe')
    await validated('backup', '--dry-run')
    const first = await validated('backup', '--tag', 'one')
    expect(first).toMatchObject({ sources: [{ source: 'app', repository: 'main' }, { source: 'docs' }] })
    workspace.addNotes(50)
    writeFileSync(join(workspace.docs, 'new.txt'), 'new')
    await validated('backup', 'app', '--type', 'full')
    await validated('backup', 'docs')
    const snapshots = (await validated('snapshots')) as Array<{
      source: string
      time: string
      addedBytes: number
      tags: string[]
    }>
    expect(snapshots.map(each => each.source)).toEqual(['app', 'docs', 'app', 'docs'])
    expect(snapshots.map(each => each.time)).toEqual(snapshots.map(each => each.time).toSorted())
    expect(snapshots.map(each => each.tags)).toEqual([['one'], ['one'], [], []])
    for (const { addedBytes } of snapshots) expect(addedBytes).toBeGreaterThan(0)
    await validated('restore', 'app', 'latest', '--to', workspace.path('restored.db'))
    await validated('restore', 'docs', '--to', workspace.path('out'))
    await validated('restore', 'docs', '--to', workspace.path('out'), '--dry-run')
    await validated('restore', 'docs', '--to', workspace.path('out'), '--yes')
    await validated('undo', '--yes')
    await validated('undo', '--list')
    const runs = (await validated('undo', '--list')) as Array<{ run: string }>
    await validated('undo', runs.at(-1)?.run ?? '', '--discard', '--yes')
    const verified = await validated('verify', 'app', '--level', 'restored')
    expect(verified).toMatchObject({ passed: true, verified: [{ proof: 'restored' }] })
    await validated('report')
    await validated('report', '--list')
    await validated('check', '--read-data')
    const proofs = ((await validated('snapshots')) as Array<{ proof: string }>).map(each => each.proof)
    expect(proofs).toEqual(['checked', 'checked', 'restored', 'restored'])
  })

  test('looking into snapshots', async () => {
    await validated('ls', 'docs', '--recursive')
    await validated('cat', 'docs', 'new.txt')
    await validated('cat', '--object', 'config')
    const found = (await validated('find', 'new.*')) as unknown[]
    expect(found).toHaveLength(1)
    const [, before, , after] = (await validated('snapshots')) as Array<{ id: string }>
    const compared = await validated('diff', before?.id ?? '', after?.id ?? '')
    expect(compared).toMatchObject({
      added: { files: 1 },
      changes: expect.arrayContaining([expect.objectContaining({ path: 'new.txt' })]),
    })
    expect(await validated('query', 'app', "SELECT 1 AS n, x'c0' AS b, NULL AS none")).toMatchObject({
      columns: ['n', 'b', 'none'],
      rows: [[1, 'wA==', null]],
    })
    await validated('stats')
    await validated('stats', '--cost')
  })

  test('keys, locks, forget, prune', async () => {
    writeFileSync(workspace.path('second'), 'another password\n', { mode: 0o600 })
    const added = (await validated('key add', '--new-password-file', workspace.path('second'))) as {
      key: { id: string }
    }
    expect(await validated('key list')).toMatchObject({ keys: [{}, {}] })
    await validated('key remove', added.key.id)
    await validated('key passwd', '--new-password-file', workspace.path('second'))
    await validated('unlock')
    const [oldest] = (await validated('snapshots', 'app')) as Array<{ id: string }>
    const pinned = await validated('pin', oldest?.id ?? '', '--until', '90d', '--reason', 'before the move')
    expect(pinned).toMatchObject({ snapshot: oldest?.id, pin: { reason: 'before the move' } })
    expect(await validated('snapshots')).toMatchObject([{ pin: { reason: 'before the move' } }, {}, {}, {}])
    expect(await validated('unpin', oldest?.id ?? '')).toMatchObject({ removed: true })
    await validated('forget', '--keep-last', '1', '--dry-run', '--prune')
    await validated('forget', 'app', '--keep-last', '1')
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    writeFileSync(workspace.path('lifeboat.yaml'), config.replace('./password }', './password, parity: 5% }'))
    expect(await validated('repair parity')).toMatchObject({ repositories: [{ repository: 'main', damaged: 0 }] })
    for (const what of ['index', 'packs', 'snapshots']) await validated(`repair ${what}`)
    await validated('prune', '--dry-run')
    await validated('prune')
    expect(await validated('snapshots', 'app')).toHaveLength(1)
  })

  test('runs', async () => {
    expect(await validated('runs', '--operation', 'verify')).toMatchObject([{ state: 'done', attempts: [{}] }])
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const exit = once(child, 'exit')
    const { pid = 0 } = child
    const catalog = await openSqliteCatalog(workspace.path('.lifeboat'), () => {})
    const owner = { ...thisProcess(), pid, start: processStart(pid) }
    await catalog.beginRun({ id: 'a-run', operation: 'backup', startedAt: new Date(), owner })
    await catalog.close()
    expect(await validated('runs', 'a-run')).toMatchObject([{ state: 'running', finishedAt: null }])
    await validated('runs cancel', 'a-run')
    await exit
    expect(await validated('runs', 'a-run')).toMatchObject([{ state: 'killed' }])
  })

  test('copies', async () => {
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    const second = 'repositories:\n  offsite: { url: ./offsite, passwordFile: ./password }\n'
    writeFileSync(workspace.path('lifeboat.yaml'), config.replace('repositories:\n', second))
    await workspace.run('init', '--yes')
    await validated('copy', '--from', 'main', '--to', 'offsite', '--dry-run')
    const copied = await validated('copy', '--from', 'main', '--to', 'offsite')
    expect(copied).toMatchObject({ dryRun: false })
    writeFileSync(workspace.path('lifeboat.yaml'), config)
  })

  test('what happens by itself', async () => {
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    const more =
      'policies:\n  nightly: { sources: [app, docs], repositories: [main], schedule: "0 2 1 1 *" }\n' +
      'notify:\n  ops: { kind: command, command: ["true"] }\n'
    writeFileSync(workspace.path('lifeboat.yaml'), `${config}${more}`)
    expect(await validated('health')).toMatchObject({ healthy: true, problems: [] })
    const status = await validated('status')
    expect(status).toMatchObject({ scheduler: { state: 'none' }, sources: [{ source: 'app' }, { source: 'docs' }] })
    await validated('serve', '--once')
    expect(await validated('pause', 'nightly')).toMatchObject([{ name: 'backup nightly' }])
    expect(await validated('resume', 'nightly')).toEqual([{ name: 'backup nightly', pausedUntil: null }])
    expect(await validated('notify test', '--dry-run')).toMatchObject({ sent: [] })
    expect(await validated('install', 'systemd', '--print')).toMatchObject({ way: 'systemd', file: null })
    const never = 'sources:\n  never: { kind: files, path: ./docs }\n'
    writeFileSync(workspace.path('lifeboat.yaml'), config.replace('sources:\n', never))
    const alerts = [{ finding: { code: 'no-recovery-point', subject: 'never' } }]
    expect(await validated('alerts check')).toMatchObject({ alerts })
    expect(await validated('alerts silence', 'no-recovery-point')).toMatchObject(alerts)
    expect(await validated('alerts')).toMatchObject(alerts)
    writeFileSync(workspace.path('lifeboat.yaml'), config)
  })

  test('this machine', async () => {
    expect(await validated('recovery-sheet')).toMatchObject({
      from: 'main',
      sources: [{ name: 'app' }, { name: 'docs' }],
    })
    const config = await validated('config check')
    expect(config).toMatchObject({ sources: [{ name: 'app', kind: 'sqlite', policies: [] }, { name: 'docs' }] })
    expect(await validated('doctor')).toMatchObject({ healthy: true })
    expect(await validated('completion', 'bash')).toMatchObject({ shell: 'bash' })
  })

  test('the mistakes of a configuration, by line and key', async () => {
    const wrong =
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n  app: { kind: sqlit }\n'
    writeFileSync(workspace.path('wrong.yaml'), wrong)
    const { code, stderr } = await runLifeboat(['config', 'check', '--config', workspace.path('wrong.yaml')])
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: wrong\.yaml:4:16: sources\.app\.kind .*allowed: .*sqlite/),
    ])
  })

  test('nothing is left out', () => {
    // The demo runs for many seconds, a log needs a cluster, a history versions; their own tests hold them to their shapes.
    const elsewhere = (name: string): boolean => name === 'demo' || name === 'history' || name.startsWith('wal ')
    const expected = COMMANDS.map(entry => entry.name).filter(name => !elsewhere(name))
    expect([...seen].toSorted()).toEqual(expected.toSorted())
    expect(Object.keys(JSON_OUTPUTS).toSorted()).toEqual(COMMANDS.map(entry => entry.name).toSorted())
  })

  test.each([
    ['unknown command', ['backpu'], 2, 'usage'],
    ['unknown source', ['backup', 'ap'], 2, 'usage'],
    ['unknown snapshot', ['restore', 'app', 'ffffffff', '--to', 'x'], 1, 'snapshot-not-found'],
    ['history of a folder', ['history'], 2, 'unsupported'],
    ['a folder as it was', ['snapshots', '--as-of', '3h ago'], 2, 'unsupported'],
    ['a time to come', ['snapshots', '--as-of', '2999-01-01'], 2, 'usage'],
    ['changing what was', ['backup', '--as-of', '3h ago'], 2, 'usage'],
    ['existing target', ['restore', 'app', '--to', 'app.db'], 1, 'target-exists'],
    ['wrong configuration', ['config', 'check', '--config', 'wrong.yaml'], 2, 'config-invalid'],
    ['missing configuration', ['snapshots', '--config', 'no.yaml'], 2, 'config-not-found'],
  ])('errors too: %s', async (_name, args, exitCode, code) => {
    const result = await runLifeboat([...args, '--json'], { cwd: workspace.dir })
    expect(result.code).toBe(exitCode)
    expect(errorOutput.parse(JSON.parse(result.stdout)).error.code).toBe(code)
  })
})
