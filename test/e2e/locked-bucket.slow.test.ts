import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { PROBE_KEY } from '../../src/model/probe-object.ts'
import { FaultProxy, type ProxiedCall } from '../helpers/fault-proxy.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { S3Attacker } from '../helpers/s3-attacker.ts'
import { describeWithS3, S3_KEYS, type S3Server, startS3Server } from '../helpers/s3-server.ts'
import { openTestS3 } from '../helpers/s3-storage.ts'
import { type CommandResult, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

const refuses = (isRefused: (call: ProxiedCall) => boolean) => (call: ProxiedCall) =>
  isRefused(call)
    ? { answer: { status: 403, body: Buffer.from('<Error><Code>AccessDenied</Code></Error>') } }
    : undefined

describeWithS3('a bucket', () => {
  let server: S3Server
  let proxy: FaultProxy
  let bucket: string
  let folder: string
  let count = 0

  beforeAll(async () => {
    server = await startS3Server()
    proxy = await FaultProxy.start(server.port)
  })
  beforeEach(async () => {
    bucket = `bucket${++count}`
    folder = makeTempDir()
    mkdirSync(join(folder, 'docs'))
  })
  afterEach(() => proxy.forget())
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })

  /** @param lock of the storage */
  function configure(lock?: object): void {
    const storage = lock ? { lock } : {}
    const main = { url: `s3:${proxy.origin}/${bucket}/shop`, passwordEnv: 'LB_PASSWORD', storage }
    const config = { repositories: { main }, sources: { docs: { kind: 'files', path: './docs' } } }
    writeFileSync(join(folder, 'lifeboat.yaml'), JSON.stringify(config))
  }

  function run(...words: readonly string[]): Promise<CommandResult> {
    const env = {
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
      LB_PASSWORD: 'a password',
      XDG_STATE_HOME: join(folder, 'state'),
    }
    return runLifeboat(words, { cwd: folder, env })
  }

  async function must(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...words)
    expect([words[0], code, stderr]).toEqual([words[0], 0, ''])
    return stdout
  }

  async function backUp(number: number): Promise<void> {
    writeFileSync(join(folder, 'docs', String(number)), pseudoRandom(300_000, number))
    await must('backup', '--quiet')
  }

  test('that is locked keeps all that an attacker with the full key removes and overwrites', async () => {
    await server.createBucket(bucket, { locks: true })
    configure({ mode: 'compliance', period: '30d' })
    await must('init', '--quiet')
    await backUp(1)
    await backUp(2)
    const [verdict] = (
      documentedOutput('check', await must('check', '--immutable', '--json')) as {
        immutable: Array<{ verdict: string; until: string }>
      }
    ).immutable
    expect(verdict?.verdict).toBe('protected')
    expect(Date.parse(verdict?.until ?? '') - Date.now()).toBeGreaterThan(44 * 86_400_000)

    const attacker = new S3Attacker(server.origin, bucket)
    // What only tries the storage out is not locked.
    const isTrial = (key: string): boolean => /locks|canary/.test(key) || key.endsWith(PROBE_KEY)
    const before = (await attacker.listVersions()).filter(({ key, isMarker }) => !isMarker && !isTrial(key))
    const folders = new Set(before.map(({ key }) => key.split('/')[1]))
    expect(folders).toEqual(new Set(['config', 'data', 'index', 'keys', 'snapshots']))
    await must('forget', '--keep-last', '1', '--prune', '--quiet')
    const bare = await openTestS3(`s3:${server.origin}/${bucket}/shop`)
    await bare.save('config', Buffer.from('yours no more'))
    for await (const key of bare.listKeys('')) await bare.remove(key)
    await bare.close()
    expect((await run('snapshots')).code).not.toBe(0)
    for (const version of await attacker.listVersions()) await attacker.destroy(version)

    const after = new Set((await attacker.listVersions()).map(({ key, id }) => `${key} ${id}`))
    expect(before.filter(({ key, id }) => !after.has(`${key} ${id}`))).toEqual([])
    for (const version of before) {
      const file = join(folder, 'rescued', version.key.slice('shop/'.length))
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, await attacker.read(version))
    }
    attacker.close()
    const rescued = { main: { url: './rescued', passwordEnv: 'LB_PASSWORD' } }
    writeFileSync(join(folder, 'lifeboat.yaml'), JSON.stringify({ repositories: rescued }))
    expect(await must('check', '--read-data')).toContain('whole: 2 snapshots')
  })

  test('that is not locked is not protected, and says what to do', async () => {
    await server.createBucket(bucket)
    configure()
    await must('init', '--quiet')
    await backUp(1)
    const { code, stdout } = await run('check', '--immutable')
    expect(code).toBe(21)
    expect(stdout).toMatch(/^main: NOT protected/)
    expect(stdout).toContain('Turn on versions and object lock')
    expect(await must('check')).not.toContain('canary')
  })

  test('backups need no right to delete but in locks/; forget and prune say that they do', async () => {
    await server.createBucket(bucket)
    configure()
    await must('init', '--quiet')
    proxy.plan = refuses(({ method, path }) => method === 'DELETE' && !path.includes('/locks/'))
    await backUp(1)
    await backUp(2)
    expect(await must('check')).toContain('whole')
    const refused = await run('forget', '--keep-last', '1')
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('"forget", "prune" and "key remove" need one that may'),
    ])
    expect(await must('snapshots')).toContain('2 snapshots')
    // Something to prune, then.
    proxy.forget()
    await must('forget', '--keep-last', '1', '--quiet')
    proxy.plan = refuses(({ method, path }) => method === 'DELETE' && !path.includes('/locks/'))
    const { code, stderr } = await run('prune', '--max-unused', '0%')
    expect([code, stderr]).toEqual([1, expect.stringContaining('The key may not delete, which is enough for backups.')])
    proxy.forget()
    expect(await must('check', '--read-data')).toContain('whole')
  })

  test('backups go on where not even locks can be removed', async () => {
    await server.createBucket(bucket)
    configure()
    await must('init', '--quiet')
    proxy.plan = refuses(({ method }) => method === 'DELETE')
    for (const number of [1, 2, 3]) {
      writeFileSync(join(folder, 'docs', String(number)), pseudoRandom(1000, number))
      const { code, stderr } = await run('backup')
      expect([code, stderr]).toEqual([0, expect.stringContaining('the lock file could not be removed')])
    }
    expect(await must('snapshots')).toContain('3 snapshots')
  })

  test('that is locked says until when the file of a removed key stays', async () => {
    await server.createBucket(bucket, { locks: true })
    configure({ mode: 'compliance', period: '30d' })
    await must('init', '--quiet')
    writeFileSync(join(folder, 'team'), 'another password\n', { mode: 0o600 })
    const added = documentedOutput('key add', await must('key', 'add', '--new-password-file', './team', '--json')) as {
      key: { id: string }
    }
    const removed = documentedOutput('key remove', await must('key', 'remove', added.key.id, '--json')) as {
      keptUntil: string
    }
    expect(Date.parse(removed.keptUntil) - Date.now()).toBeGreaterThan(44 * 86_400_000)
    expect(await must('key', 'list')).not.toContain(added.key.id.slice(0, 8))
  })
})
