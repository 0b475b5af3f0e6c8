import { describe, expect, it } from 'vitest'
import { SOURCES } from '../sources/registry.ts'
import { bringBack } from './bring-back.ts'
import { keptConfiguration } from './kept.ts'
import { parseConfig } from './load.ts'

const ORIGIN = { url: '/mnt/backups', password: { passwordFile: '/root/password' } }
const KEPT = keptConfiguration(
  `
envFile: .env
repositories:
  main: { url: ./backups, passwordCommand: [./evil, one], passwordCommandEnv: [HOME] }
  far: { url: ./far, passwordCommand: [./evil, two] }
  other: { url: ./other, password: hunter1 }
  rest: { url: "rest:https://h/", passwordFile: ./rest, storage: { password: { env: REST_KEY }, caFile: ./ca.pem } }
  drive: { url: "rclone:x:y", passwordFile: ./drive, storage: { program: [./evil, eight], args: [./evil, nine] } }
sources:
  shop:
    kind: sqlite
    path: \${DATA}/shop.db
    restore:
      before: { command: [./evil, three] }
      after: { http: "http://evil/four" }
      mask: ./mask.yaml
    assertions:
      - { name: five, command: [./evil, five] }
      - { name: six, http: "http://evil/six" }
      - { name: rows, sql: SELECT 1, equals: 1 }
  accounts: { kind: postgres, url: postgres://localhost/accounts, binDir: ./evil/seven }
`,
  'main',
)

describe('a configuration that comes back', () => {
  it('runs nothing: hooks, commands and folders of programs are comments', () => {
    const { text, leftOut } = bringBack(KEPT, ORIGIN)
    const active = text.replace(/^#.*\n/gm, '')
    expect(active).not.toContain('evil')
    for (const word of ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'])
      expect(text).toMatch(new RegExp(`^# .*${word}`, 'm'))
    expect(leftOut.map(({ key }) => key)).toEqual([
      'repositories.main.passwordCommand',
      'repositories.far.passwordCommand',
      'repositories.drive.storage.program',
      'repositories.drive.storage.args',
      'sources.shop.restore.before',
      'sources.shop.restore.after',
      'sources.shop.assertions.0',
      'sources.shop.assertions.1',
      'sources.accounts.binDir',
    ])
  })

  it('knows the repository where it was found by its URL, for a copy names the one that it was captured into', () => {
    const { repository, text } = bringBack(KEPT, { ...ORIGIN, url: './far' })
    expect([repository, text]).toEqual(['far', expect.stringMatching(/main:\n +url: .\/backups\n/)])
    expect(bringBack(KEPT, ORIGIN).repository).toBe('main')
  })

  it('is read as it is, opens the repository where it was found, and says what is missing', () => {
    const { text, repository, variables, files } = bringBack(KEPT, ORIGIN)
    expect(repository).toBe('main')
    expect(variables).toEqual(['REMOVED_REPOSITORIES_OTHER_PASSWORD', 'DATA', 'REST_KEY'])
    expect(files.map(({ path }) => path)).toEqual([
      '.env',
      '/root/password',
      './.lifeboat/far.password',
      './rest',
      './ca.pem',
      './drive',
      './mask.yaml',
    ])
    const environment = { DATA: '/data', REMOVED_REPOSITORIES_OTHER_PASSWORD: 'x' }
    const config = parseConfig(text, '/new/lifeboat.yaml', { environment, kinds: SOURCES })
    expect(config.repositories.get('main')).toMatchObject({ url: '/mnt/backups', passwordFile: '/root/password' })
    expect(config.sources.get('shop')?.assertions).toHaveLength(1)
    expect(config.sources.get('accounts')?.kind).toBe('postgres')
  })

  it('lets nothing out of a comment', () => {
    const hostile = `repositories: { main: { url: x, passwordCommand: ["a\\nsources: {}"] } }\nsources: { "a\\nb": { command: [x] } }\n`
    const { text } = bringBack(hostile, { url: '/mnt/a\nb: c', password: undefined })
    expect(text.split('\n').filter(line => /^[^\s#]/.test(line))).toEqual(['repositories:'])
    expect(text).toContain('passwordFile: ./.lifeboat/password')
  })

  it.each(['', '- a', 'x: 1', 'repositories: [', 'sources: { a: &b 1, c: *b }', 'sources: { __proto__: { a: 1 } }'])(
    'refuses what is no configuration: %s',
    text => {
      expect(() => bringBack(text, ORIGIN)).toThrow('the kept configuration cannot be read')
    },
  )
})
