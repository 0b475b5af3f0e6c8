import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

test('with --no-cache nothing of a repository is kept beside the configuration', async () => {
  const cwd = makeTempDir()
  mkdirSync(join(cwd, 'files'))
  writeFileSync(join(cwd, 'files/a'), 'one')
  writeFileSync(
    join(cwd, 'lifeboat.yaml'),
    'repositories: { main: { url: ./backups, passwordEnv: P } }\nsources: { files: { kind: files, path: ./files } }\n',
  )
  const run = (...words: string[]): Promise<string> => lifeboat(words, { cwd, env: { P: 'one' } })
  await run('init', '--yes', '--no-cache')
  await run('backup', 'files', '--repo', 'main', '--no-cache')
  expect(JSON.parse(await run('snapshots', '--json', '--no-cache'))).toHaveLength(1)
  expect(existsSync(join(cwd, '.lifeboat/cache'))).toBe(false)
  await run('backup', 'files', '--repo', 'main')
  expect(existsSync(join(cwd, '.lifeboat/cache'))).toBe(true)
})
