import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultProxy } from '../helpers/fault-proxy.ts'
import { skipRestic } from '../helpers/restic.ts'
import { describeWithS3, S3_KEYS, type S3Server, startS3Server } from '../helpers/s3-server.ts'
import { S3Workspace } from '../helpers/s3-workspace.ts'
import { runLifeboat } from '../helpers/spawn.ts'
import { digestTree } from '../helpers/tree-digest.ts'

/** Of commands after two backups that found nothing changed. What each is for is in docs/decisions/storages.md. */
const REQUESTS = [
  ['backup', 10],
  ['snapshots', 5],
  ['restore', 15],
  ['check', 34],
] as const

describeWithS3('a repository in a bucket', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('backups')
  })
  afterAll(() => server.close())

  const workspaceAt = (folder: string): S3Workspace => new S3Workspace(`s3:${server.origin}/backups/${folder}`)

  test('every command works on it, and no secret shows anywhere', async () => {
    const workspace = workspaceAt('every/command')
    expect(await workspace.run('init', '--yes', '--to', workspace.url)).toContain(`main: ${workspace.url}`)
    await workspace.run('backup')
    writeFileSync(join(workspace.uploads, 'a.txt'), 'changed')
    await workspace.run('backup')
    expect(JSON.parse(await workspace.run('snapshots', '--json'))).toHaveLength(2)
    await workspace.run('restore', 'uploads', '--to', workspace.path('back'), '--yes')
    expect(digestTree(workspace.path('back'))).toEqual(digestTree(workspace.uploads))
    await workspace.run('forget', '--keep-last', '1')
    await workspace.run('prune')
    expect(await workspace.run('check', '--read-data')).toContain('whole: 1 snapshot')
    await workspace.run('doctor')
    await workspace.run('restore', 'uploads', '--to', workspace.path('again'), '--yes')
    expect(digestTree(workspace.path('again'))).toEqual(digestTree(workspace.uploads))
    expect(workspace.printed).not.toContain(S3_KEYS.secretAccessKey)
    const kept = readdirSync(join(workspace.app, '.lifeboat'), { recursive: true, withFileTypes: true })
    for (const file of kept.filter(each => each.isFile())) {
      expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain(S3_KEYS.secretAccessKey)
    }
    // The server's folders go with the last file in them.
    expect(readdirSync(join(server.folder, 'backups/every/command'))).not.toContain('locks')
  })

  test('a new machine with the keys and the password alone brings everything back', async () => {
    const workspace = workspaceAt('new-machine')
    await workspace.run('init', '--yes', '--to', workspace.url)
    await workspace.run('backup')
    const password = readFileSync(join(workspace.app, '.lifeboat/password'), 'utf8').trim()
    const { code, stderr } = await runLifeboat(
      ['restore', '-', 'latest', '--to', workspace.path('new'), '--repo', workspace.url, '--yes'],
      { cwd: workspace.dir, env: { ...server.environment, LIFEBOAT_PASSWORD: password, HOME: workspace.dir } },
    )
    expect([code, stderr]).toEqual([0, expect.any(String)])
    expect(digestTree(workspace.path('new'))).toEqual(digestTree(workspace.uploads))
  })

  test('a backup that finds nothing changed takes no more than ten requests, and others no more than they need', async () => {
    const proxy = await FaultProxy.start(server.port)
    const workspace = new S3Workspace(`s3:${proxy.origin}/backups/unchanged`)
    await workspace.run('init', '--yes', '--to', workspace.url)
    for (let time = 0; time < 3; time++) await workspace.run('backup')
    for (const [command, most] of REQUESTS) {
      proxy.forget()
      await workspace.run(
        command,
        ...(command === 'restore' ? ['uploads', '--to', workspace.path('back'), '--yes'] : []),
      )
      const told = proxy.calls.map(({ method, path, query }) => `${method} ${query.get('prefix') ?? path}`)
      expect(told.length, `${command}\n${told.join('\n')}`).toBeLessThanOrEqual(most)
      // What AWS's clients ask besides, and nobody needs.
      if (command !== 'check') expect(told.filter(call => call.startsWith('HEAD'))).toEqual([])
    }
    await proxy.close()
  })

  describe.skipIf(skipRestic)('and restic', () => {
    test('restic reads, checks and restores what we stored', async () => {
      const workspace = workspaceAt('ours')
      await workspace.run('init', '--yes', '--to', workspace.url)
      await workspace.run('backup')
      expect(await workspace.restic(['check', '--read-data'])).toContain('no errors were found')
      await workspace.restic(['restore', 'latest', '--target', workspace.path('theirs')])
      expect(digestTree(join(workspace.path('theirs'), 'uploads'))).toEqual(digestTree(workspace.uploads))
    })

    test('we read, check, extend and prune what restic stored', async () => {
      const workspace = workspaceAt('theirs')
      const passwordFile = workspace.path('password')
      writeFileSync(passwordFile, 'a password of theirs', { mode: 0o600 })
      await workspace.restic(['init', '--repository-version', '2'], passwordFile)
      await workspace.restic(['backup', workspace.uploads], passwordFile)
      writeFileSync(
        join(workspace.app, 'lifeboat.yaml'),
        [
          `repositories: { main: { url: "${workspace.url}", passwordFile: ${passwordFile} } }`,
          'sources: { uploads: { kind: files, path: ./uploads } }',
        ].join('\n'),
      )
      expect(await workspace.run('check', '--read-data')).toContain('whole: 1 snapshot')
      await workspace.run('restore', '-', 'latest', '--to', workspace.path('back'), '--yes')
      expect(digestTree(join(workspace.path('back'), workspace.uploads))).toEqual(digestTree(workspace.uploads))
      await workspace.run('backup', 'uploads')
      await workspace.run('prune')
      expect(await workspace.restic(['check', '--read-data'], passwordFile)).toContain('no errors were found')
    })
  })
})
