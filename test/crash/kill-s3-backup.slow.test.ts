import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Killer, moments } from '../helpers/kill.ts'
import { skipRestic } from '../helpers/restic.ts'
import { describeWithS3, type S3Server, startS3Server } from '../helpers/s3-server.ts'
import { S3Workspace } from '../helpers/s3-workspace.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

describeWithS3('kill -9 of a backup to a bucket', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('killed')
  })
  afterAll(() => server.close())

  test.skipIf(skipRestic)('at any moment leaves a whole repository, and the next backup goes through', async () => {
    const workspace = new S3Workspace(`s3:${server.origin}/killed/a`)
    await workspace.run('init', '--yes', '--to', workspace.url)
    const change = (round: number): void =>
      writeFileSync(join(workspace.uploads, 'each-time.bin'), pseudoRandom(40_000_000, round))
    change(0)
    const killer = await Killer.for(() => workspace.run('backup'))
    for (const [round, moment] of moments(6, 1).entries()) {
      change(round + 1)
      await killer.kill(workspace.start('backup'), moment)
      await workspace.run('backup')
      expect(await workspace.restic(['check', '--read-data'])).toContain('no errors were found')
    }
    // Otherwise nothing was tested.
    expect(killer.hits).toBeGreaterThan(2)
    await workspace.run('prune')
    await workspace.run('restore', 'uploads', '--to', workspace.path('back'), '--yes')
    expect(digestTree(workspace.path('back'))).toEqual(digestTree(workspace.uploads))
  })
})
