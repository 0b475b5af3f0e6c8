import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeWithRclone, RcloneRemote } from '../helpers/rclone.ts'
import { skipRestic } from '../helpers/restic.ts'
import { lifeboat, mustRun } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

describeWithRclone('a remote of rclone', () => {
  test.skipIf(skipRestic)('holds one repository for restic and for us, and goes the whole way', async () => {
    const remote = new RcloneRemote()
    onTestFinished(() => remote.remove())
    const folder = makeTempDir()
    mkdirSync(join(folder, 'docs'))
    writeFileSync(join(folder, 'docs/a'), pseudoRandom(3_000_000, 1))
    writeFileSync(join(folder, 'password'), 'a password\n', { mode: 0o600 })
    const env = {
      ...remote.environment,
      RESTIC_PASSWORD_FILE: join(folder, 'password'),
      RESTIC_CACHE_DIR: join(folder, 'cache'),
      LIFEBOAT_PASSWORD_FILE: join(folder, 'password'),
      XDG_STATE_HOME: makeTempDir(),
    }
    const url = 'rclone:disk:shop'
    const main = { url, passwordFile: './password' }
    const config = { repositories: { main }, sources: { docs: { kind: 'files', path: './docs' } } }
    writeFileSync(join(folder, 'lifeboat.yaml'), JSON.stringify(config))
    const restic = (...args: string[]): Promise<string> =>
      mustRun('timeout', ['120', 'restic', '-r', url, ...args], { env })

    await lifeboat(['init', '--yes'], { cwd: folder, env })
    await lifeboat(['backup'], { cwd: folder, env })
    await restic('backup', join(folder, 'docs'))
    expect(await restic('check', '--read-data')).toContain('no errors were found')
    await lifeboat(['restore', 'docs', '--to', './back'], { cwd: folder, env })
    expect(digestTree(join(folder, 'back'))).toEqual(digestTree(join(folder, 'docs')))
    // By its URL alone.
    const listed = await lifeboat(['snapshots', '--json', '--repo', url], { cwd: makeTempDir(), env })
    expect(JSON.parse(listed)).toHaveLength(2)
    await lifeboat(['forget', '--keep-last', '1', '--prune'], { cwd: folder, env })
    await lifeboat(['check', '--read-data'], { cwd: folder, env })
  })
})
