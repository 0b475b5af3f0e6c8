import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

interface Proven {
  readonly source: string
  readonly passed: boolean
  readonly damaged: boolean
  readonly proof: string | null
  readonly checks: ReadonlyArray<{ readonly name: string; readonly passed: boolean; readonly found: string }>
  readonly findings: ReadonlyArray<{ readonly code: string; readonly subject: string; readonly hint?: string }>
  readonly run: string
}

describe('verify', () => {
  let workspace: Workspace

  const copyPrepared = prepareWorkspace(async prepared => {
    prepared.makeDatabase(200)
    prepared.makeDocs()
    await prepared.run('init', '--yes')
    await prepared.run('backup')
  })
  beforeEach(() => {
    workspace = copyPrepared()
  })

  const verify = async (...args: string[]): Promise<{ code: number; verified: Proven[] }> => {
    const { code, stdout } = await workspace.try('verify', ...args, '--json')
    JSON_OUTPUTS.verify.parse(JSON.parse(stdout))
    return { code, verified: (JSON.parse(stdout) as { verified: Proven[] }).verified }
  }
  const proofs = async (): Promise<Record<string, string>> => {
    const list = await workspace.json<Array<{ source: string; proof: string; provenAt: string | null }>>('snapshots')
    for (const { proof, provenAt } of list) expect(provenAt === null).toBe(proof === 'recorded')
    return Object.fromEntries(list.map(({ source, proof }) => [source, proof]))
  }
  const configure = (app: string, policies = ''): void =>
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n' +
        `  app: { kind: sqlite, path: ./app.db${app} }\n  docs: { kind: files, path: ./docs }\n${policies}`,
    )
  /** Packs, largest first: in the largest of ours are contents. */
  const packs = (): string[] => {
    const folder = join(workspace.repository, 'data')
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))
    return names.filter(name => statSync(name).isFile()).toSorted((a, b) => statSync(b).size - statSync(a).size)
  }

  test('reads every kind of source without a restore, and restores when told to', async () => {
    const checked = await verify()
    expect(checked.code).toBe(0)
    expect(checked.verified.map(({ source, proof }) => [source, proof])).toEqual([
      ['app', 'checked'],
      ['docs', 'checked'],
    ])
    expect(await proofs()).toEqual({ app: 'checked', docs: 'checked' })
    const restored = await verify('app', '--level', 'restored')
    expect(restored.verified[0]?.checks.map(({ name }) => name)).toContain('rows of notes')
    expect(await proofs()).toEqual({ app: 'restored', docs: 'checked' })
    // A weaker proof takes nothing away, and nothing is left of what was restored.
    await verify()
    expect(await proofs()).toEqual({ app: 'restored', docs: 'checked' })
    expect(readdirSync(workspace.path('.lifeboat/tmp'))).toEqual([])
    expect(await workspace.run('snapshots', 'app')).toMatch(/restored just now/)
  })

  test('takes a source, a source and a point, or an id alone', async () => {
    const [app, docs] = await workspace.snapshots()
    for (const args of [['app'], ['app', 'latest'], ['app', app?.shortId ?? ''], [app?.shortId ?? '']]) {
      expect((await verify(...args)).verified.map(({ source }) => source)).toEqual(['app'])
    }
    const foreign = await workspace.try('verify', 'app', docs?.shortId ?? '')
    expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringContaining('is not of source app')])
    const unknown = await workspace.try('verify', 'deadbeef')
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('deadbeef')])
    const misspelt = await workspace.try('verify', 'ap')
    expect([misspelt.code, misspelt.stderr]).toEqual([2, expect.stringContaining('Did you mean "app"?')])
    const early = await workspace.try('verify', 'app', '2001-01-01')
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('The oldest one is of')])
  })

  test('a flipped bit is a finding that says what is lost, in either level', async () => {
    const [pack = ''] = packs()
    const bytes = readFileSync(pack)
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(pack, bytes)
    for (const level of ['checked', 'restored']) {
      const { code, verified } = await verify('docs', '--level', level)
      expect(code).toBe(22)
      const [docs] = verified
      expect(docs).toMatchObject({ passed: false, damaged: true, proof: null })
      expect(docs?.findings).toMatchObject([{ code: 'file-damaged', subject: 'file-900000.bin' }])
      expect(docs?.findings[0]?.hint).toContain('lifeboat check --read-data')
    }
    expect(await proofs()).toEqual({ app: 'recorded', docs: 'failed' })
    // The other source is whole, and is proven beside it.
    const all = await verify()
    expect([all.code, all.verified.map(({ passed }) => passed)]).toEqual([22, [true, false]])
    expect(await workspace.run('report')).toMatch(/This recovery point is damaged: one file of it cannot be read/)
  })

  test('packs that are gone are findings', async () => {
    for (const pack of packs()) rmSync(pack)
    const { code, verified } = await verify()
    expect(code).toBe(22)
    expect(verified.map(({ damaged }) => damaged)).toEqual([true, true])
    expect(await proofs()).toEqual({ app: 'failed', docs: 'failed' })
  })

  test('the user’s own assertions have to hold of the restored copy', async () => {
    const command = `{ command: [sh, -c, 'test -f "$LIFEBOAT_RESTORED_PATH"'] }`
    configure(`, assertions: [{ sql: SELECT count(*) FROM notes, equals: 200 }, ${command}]`)
    expect((await verify('app', '--level', 'restored')).code).toBe(0)
    configure(', assertions: [{ sql: SELECT count(*) FROM notes, atLeast: 201 }, { sql: SELEC, equals: 1 }]')
    const { code, verified } = await verify('app', '--level', 'restored', '--report', workspace.path('r.html'))
    expect(code).toBe(21)
    const failed = verified[0]?.checks.filter(check => !check.passed).map(({ name, found }) => [name, found])
    expect(failed).toEqual([
      ['assertion SELECT count(*) FROM notes', '200'],
      ['assertion SELEC', 'near "SELEC": syntax error'],
    ])
    expect(await proofs()).toMatchObject({ app: 'failed' })
    // Only as much as failed makes it good again.
    await verify('app')
    expect(await proofs()).toMatchObject({ app: 'failed' })
    expect(readFileSync(workspace.path('r.html'), 'utf8')).toContain('near &quot;SELEC&quot;')
    expect(statSync(workspace.path('r.html')).mode & 0o777).toBe(0o600)
  })

  test('keeps a report of each run, and finds it again', async () => {
    const { verified } = await verify('app')
    const run = verified[0]?.run ?? ''
    const report = await workspace.json<unknown>('report', run.slice(0, 8))
    expect(JSON_OUTPUTS.report.parse(report)).toMatchObject({ run, outcome: 'done', title: 'verification of app' })
    await workspace.run('report', run, '--html', workspace.path('kept.html'))
    expect(readFileSync(workspace.path('kept.html'), 'utf8')).toContain(run)
    expect(await workspace.run('report', '--list')).toContain(run.slice(0, 8))
    for (const [args, code] of [
      [['verify', '--report', 'r.pdf'], 2],
      [['verify', '--report', workspace.path('no/r.html')], 1],
      [['report', 'ffff0000'], 1],
    ] as const) {
      expect((await workspace.try(...args)).code).toBe(code)
    }
  })

  test('a policy verifies after a backup, or after one in so many', async () => {
    const assertions = ', assertions: [{ sql: SELECT count(*) FROM notes, equals: 200 }]'
    const policy = (verify: string): string =>
      `policies:\n  nightly: { sources: [app], repositories: [main], verify: ${verify} }\n`
    const backup = async (): Promise<{ code: number; verification: Proven | undefined }> => {
      const { code, stdout } = await workspace.try('backup', 'app', '--json')
      JSON_OUTPUTS.backup.parse(JSON.parse(stdout))
      const { sources } = JSON.parse(stdout) as { sources: [{ verification?: Proven }] }
      return { code, verification: sources[0].verification }
    }
    configure(assertions, policy('{ level: restored, every: 2 }'))
    const ran: boolean[] = []
    for (let count = 0; count < 4; count++) ran.push((await backup()).verification !== undefined)
    expect(ran).toEqual([true, false, true, false])
    configure(assertions, policy('restored'))
    workspace.addNotes(1)
    const { code, verification } = await backup()
    expect([code, verification?.passed]).toEqual([21, false])
    const newest = (await workspace.snapshots('app')).at(-1)
    expect(newest).toMatchObject({ proof: 'failed' })
    expect(await workspace.run('report')).toContain('Verification of app: Failed')
  })
})
