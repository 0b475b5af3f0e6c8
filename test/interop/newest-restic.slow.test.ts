import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AZURE_ACCOUNT, AZURE_KEY, describeWithAzure, startAzureServer } from '../helpers/azure-server.ts'
import { describeWithGcs, startGcsServer } from '../helpers/gcs-server.ts'
import { cachedServer } from '../helpers/server-program.ts'
import { lifeboat, mustRun } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { TlsProxy } from '../helpers/tls-proxy.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

/** Debian's can be told of no other host than the clouds' own. */
const restic = cachedServer('restic 0.19.1', 'restic-0.19.1/restic')
/** It asks a server that is gone for a quarter of an hour. */
const RESTIC_SECONDS = '120'
const PASSWORD = 'a password of both'

interface Place {
  readonly url: string
  /** Of the configuration, beside the URL. */
  readonly settings: string
  readonly environment: Readonly<Record<string, string>>
  readonly theirs: { readonly environment: Readonly<Record<string, string>>; readonly options: readonly string[] }
}

/** @param at in a folder of this name */
function testInterchange(at: (folder: string) => Place): void {
  const setUp = ({ url, settings, environment, theirs }: Place) => {
    const dir = makeTempDir()
    const files = join(dir, 'files')
    mkdirSync(files)
    for (const size of [5, 70_000, 3_000_000]) writeFileSync(join(files, String(size)), pseudoRandom(size, size))
    const config = [
      `repositories: { far: { url: "${url}", passwordEnv: LIFEBOAT_PASSWORD${settings} } }`,
      'sources: { files: { kind: files, path: ./files } }',
    ]
    writeFileSync(join(dir, 'lifeboat.yaml'), config.join('\n'))
    const env = { ...environment, LIFEBOAT_PASSWORD: PASSWORD, XDG_STATE_HOME: join(dir, 'state') }
    const ours = (...words: string[]): Promise<string> => lifeboat(words, { cwd: dir, env })
    const runRestic = (...words: string[]): Promise<string> =>
      mustRun('timeout', [RESTIC_SECONDS, restic.program, '-r', url, ...theirs.options, ...words], {
        env: { ...theirs.environment, RESTIC_PASSWORD: PASSWORD, RESTIC_CACHE_DIR: join(dir, 'restic-cache') },
      })
    return { dir, files, ours, runRestic }
  }

  test('restic reads, checks and restores what we stored', async () => {
    const { dir, files, ours, runRestic } = setUp(at('ours'))
    await ours('init', '--yes')
    await ours('backup', 'files', '--repo', 'far')
    expect(await runRestic('check', '--read-data')).toContain('no errors were found')
    await runRestic('restore', 'latest', '--target', join(dir, 'theirs'))
    expect(digestTree(join(dir, 'theirs/files'))).toEqual(digestTree(files))
  })

  test('we read, check, extend and prune what restic stored', async () => {
    const { dir, files, ours, runRestic } = setUp(at('theirs'))
    await runRestic('init')
    await runRestic('backup', files)
    await runRestic('backup', files)
    expect(await ours('check', '--read-data')).toContain('whole: 2 snapshots')
    await ours('restore', '-', 'latest', '--to', join(dir, 'back'), '--repo', 'far', '--yes')
    expect(digestTree(join(dir, 'back', files))).toEqual(digestTree(files))
    await ours('backup', 'files', '--repo', 'far')
    await runRestic('forget', '--keep-last', '1', '--group-by', '', '--prune')
    await ours('prune')
    expect(await runRestic('check', '--read-data')).toContain('no errors were found')
    expect(JSON.parse(await runRestic('snapshots', '--json'))).toMatchObject([{ paths: ['/files'] }])
  })
}

restic.describe('the newest restic', () => {
  describeWithAzure('and we share a repository in Azure', () => {
    let server: Awaited<ReturnType<typeof startAzureServer>>
    let proxy: TlsProxy
    beforeAll(async () => {
      server = await startAzureServer()
      await server.createContainer('backups')
      proxy = await TlsProxy.start(`${AZURE_ACCOUNT}.blob.lb.test`, server.port)
    })
    afterAll(() => Promise.all([proxy.close(), server.close()]))

    testInterchange(folder => ({
      url: `azure:backups:/${folder}`,
      settings: `, storage: { endpoint: "${server.endpoint}" }`,
      environment: { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_KEY: AZURE_KEY },
      theirs: {
        environment: {
          AZURE_ACCOUNT_NAME: AZURE_ACCOUNT,
          AZURE_ACCOUNT_KEY: AZURE_KEY,
          AZURE_ENDPOINT_SUFFIX: 'lb.test',
          HTTPS_PROXY: proxy.origin,
        },
        options: ['--cacert', proxy.caFile, '-o', 'azure.access-tier=Hot'],
      },
    }))
  })

  describeWithGcs('and we share a repository in Google Cloud Storage', () => {
    let server: Awaited<ReturnType<typeof startGcsServer>>
    beforeAll(async () => {
      server = await startGcsServer()
      await server.createBucket('backups')
    })
    afterAll(() => server.close())

    testInterchange(folder => {
      const environment = {
        STORAGE_EMULATOR_HOST: `127.0.0.1:${server.port}`,
        GOOGLE_PROJECT_ID: 'tests',
        GOOGLE_ACCESS_TOKEN: 'planted',
      }
      return { url: `gs:backups:/${folder}`, settings: '', environment, theirs: { environment, options: [] } }
    })
  })
})
