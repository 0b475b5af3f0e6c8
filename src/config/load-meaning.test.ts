import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loadConfig, parseConfig } from './load.ts'

const kinds = ['sqlite', 'files'].map(kind => ({
  kind,
  answers: 'files' as const,
  summary: '',
  options: z.object({ path: z.string() }),
}))

const GOOD = `repositories:
  main: { url: ./backups, passwordFile: ./password }
sources:
  app: { kind: sqlite, path: ./dev.db }
  docs: { kind: files, path: \${DOCS} }
policies:
  nightly: { sources: [app, docs], repositories: [main], keep: { within: 30d } }
`

const parse = (text: string, environment: Record<string, string> = { DOCS: '/srv/docs' }) =>
  parseConfig(text, '/app/lifeboat.yaml', { environment, kinds })

describe('what a configuration means', () => {
  test('an envFile beside it fills in what the environment does not have', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lifeboat-env-file-'))
    try {
      writeFileSync(join(dir, '.env'), 'DOCS=./from-file\nPW=secret\n', { mode: 0o600 })
      const file = join(dir, 'lifeboat.yaml')
      writeFileSync(file, `envFile: ./.env\nhost: box\n${GOOD}`, { mode: 0o600 })
      const config = await loadConfig(file, { environment: {}, kinds })
      expect(config.sources.get('docs')?.options).toMatchObject({ path: './from-file' })
      expect([config.environment['PW'], config.host]).toEqual(['secret', 'box'])
      const inside = await loadConfig(file, { environment: { DOCS: 'x' }, kinds })
      expect(inside.sources.get('docs')?.options).toMatchObject({ path: 'x' })
      chmodSync(join(dir, '.env'), 0o666)
      const refused = loadConfig(file, { environment: {}, kinds })
      await expect(refused).rejects.toMatchObject({ code: 'config-untrusted' })
      rmSync(join(dir, '.env'))
      const missing = loadConfig(file, { environment: {}, kinds })
      await expect(missing).rejects.toMatchObject({ message: expect.stringContaining('cannot read the envFile') })
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  test('"~/" is the home folder everywhere', () => {
    const text = GOOD.replace('./backups', '~/b').replace('./password', '~/p').replace('./dev.db', '"~/d"')
    const config = parse(`state: ~/s\n${text}`, { HOME: '/home/a', DOCS: 'x' })
    expect(config.stateDir).toBe('/home/a/s')
    expect(config.repositories.get('main')).toMatchObject({ url: '/home/a/b', passwordFile: '/home/a/p' })
    expect(config.sources.get('app')?.options).toMatchObject({ path: '/home/a/d' })
  })

  test('a path of Windows gets an answer', () => {
    expect(() => parse(GOOD.replace('./dev.db', "'C:\\data\\app.db'"))).toThrow(
      'this is a path of Windows (allowed: Under WSL it is /mnt/c/data/app.db.)',
    )
  })

  test('a name that a source and a policy share is refused, at its key', () => {
    expect(() => parse(GOOD.replace('nightly:', 'docs:'))).toThrow(
      'lifeboat.yaml:7:3: the name "docs" is taken: line 5 has it under sources',
    )
  })

  test('weeks are a span', () => {
    expect(parse(GOOD.replace(/within: \w+/, 'within: 4w')).policies.get('nightly')?.keep).toMatchObject({
      within: { days: 28 },
    })
  })
})

describe('how long a repository keeps', () => {
  const keepsIn = (repository: string): string =>
    GOOD.replace('keep: { within: 30d }', `keep: { daily: 7 }, keepIn: { ${repository}: { monthly: 24 } }`)

  test('may differ from what the policy says for all', () => {
    expect(parse(keepsIn('main')).policies.get('nightly')).toMatchObject({
      keep: { daily: 7 },
      keepIn: { main: { monthly: 24 } },
    })
  })

  test('is said only for repositories of the policy', () => {
    expect(() => parse(keepsIn('mian'))).toThrow(
      'lifeboat.yaml:7:88: policy nightly has no repository "mian" (allowed: main)',
    )
  })
})
