import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithS3, type S3Server, startS3Server } from '../helpers/s3-server.ts'
import { S3Workspace } from '../helpers/s3-workspace.ts'
import { digestTree } from '../helpers/tree-digest.ts'

describeWithS3('a limited repository', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('backups')
  })
  afterAll(() => server.close())

  test('a backup within its limit takes its time, and is a valid repository by restic', async () => {
    const workspace = new S3Workspace(`s3:${server.origin}/backups/limited`)
    const password = join(workspace.app, '.lifeboat/password')
    mkdirSync(join(workspace.app, '.lifeboat'), { mode: 0o700 })
    writeFileSync(password, 'correct horse\n', { mode: 0o600 })
    writeFileSync(
      join(workspace.app, 'lifeboat.yaml'),
      `repositories:
  main:
    url: "${workspace.url}"
    passwordFile: ./.lifeboat/password
    limit: [{ up: 64MB/s, hours: "00:00-12:00" }, { up: 64MB/s, hours: "12:00-24:00" }, { up: 1KiB/s }]
    storage: { connections: 2 }
sources:
  uploads: { kind: files, path: ./uploads }
policies:
  all: { sources: [uploads], repositories: [main] }
`,
    )
    await workspace.run('init')
    const started = performance.now()
    await workspace.run('backup', '--limit-upload', '500K')
    // 3.07 MB that do not compress.
    expect(performance.now() - started).toBeGreaterThan(5700)
    await workspace.restic(['check', '--read-data'])
    const out = workspace.path('out')
    const restoring = performance.now()
    await workspace.run('restore', 'uploads', '--to', out, '--limit-download', '4Mbit/s')
    expect(performance.now() - restoring).toBeGreaterThan(5700)
    expect(digestTree(out)).toEqual(digestTree(workspace.uploads))
    expect(await workspace.attempt('backup', '--limit-upload', '500')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('What restic means by 500 is 500K here.'),
    })
  }, 60_000)
})
