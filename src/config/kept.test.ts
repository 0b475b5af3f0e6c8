import { expect, it } from 'vitest'
import { SOURCES } from '../sources/registry.ts'
import { keptConfiguration, repositoryOfKept } from './kept.ts'
import { parseConfig } from './load.ts'

const TEXT = `# a comment with hunter0
repositories:
  main: { url: ./backups, password: hunter1 }
  other: { url: ./other, passwordFile: ./other.password }
sources:
  shop: { kind: postgres, url: "postgres://app:hunter2@db:5432/shop?sslmode=require" }
  env: { kind: postgres, url: \${DATABASE_URL} }
  part: { kind: postgres, url: "postgres://app:\${DB_PASSWORD:-hunter3}@db/shop" }
  query: { kind: postgres, url: "postgres://app@db/shop?password=hunter4&sslmode=require" }
  odd: { kind: postgres, url: "postgres://app:hun/ter5@db/shop" }
  key: { kind: postgres, host: db, database: shop, password: 'hunter6' }
  docs:
    kind: files
    path: $\${HOME}/docs
    restore:
      before: { command: [./stop, --token=hunter7] }
policies:
  nightly: { sources: [docs], repositories: [main], keep: { daily: 7 } }
`

it('keeps no secret, and all else', () => {
  const kept = keptConfiguration(TEXT, 'main')
  expect(kept).not.toMatch(/hun/)
  expect(kept.split('\n').slice(1).join('\n')).toBe(`repositories:
  main:
    url: ./backups
    password: \${REMOVED_REPOSITORIES_MAIN_PASSWORD}
  other:
    url: ./other
    passwordFile: ./other.password
sources:
  shop:
    kind: postgres
    url: postgres://app:\${REMOVED_SOURCES_SHOP_URL}@db:5432/shop?sslmode=require
  env:
    kind: postgres
    url: \${DATABASE_URL}
  part:
    kind: postgres
    url: postgres://app:\${DB_PASSWORD}@db/shop
  query:
    kind: postgres
    url: postgres://app@db/shop?password=\${REMOVED_SOURCES_QUERY_URL}&sslmode=require
  odd:
    kind: postgres
    url: postgres://app:\${REMOVED_SOURCES_ODD_URL}@db/shop
  key:
    kind: postgres
    host: db
    database: shop
    password: \${REMOVED_SOURCES_KEY_PASSWORD}
  docs:
    kind: files
    path: $\${HOME}/docs
    restore:
      before:
        command:
          - ./stop
          - --token=\${REMOVED_SOURCES_DOCS_RESTORE_BEFORE_COMMAND_1}
policies:
  nightly:
    sources:
      - docs
    repositories:
      - main
    keep:
      daily: 7
`)
})

it('can be read again, and kept again as it is', () => {
  const kept = keptConfiguration(TEXT, 'main')
  const names = [...kept.matchAll(/(?<!\$)\$\{([A-Z_0-9]+)\}/g)].map(([, name = '']) => name)
  const environment = Object.fromEntries(names.map(name => [name, 'x']))
  const { policies, sources } = parseConfig(kept, '/srv/lifeboat.yaml', { environment, kinds: SOURCES })
  expect([...policies.keys()]).toEqual(['nightly'])
  expect(sources.get('docs')?.options).toMatchObject({ path: `\${HOME}/docs` })
  expect(keptConfiguration(kept, 'main')).toBe(kept)
})

it('says of which repository it is', () => {
  expect(repositoryOfKept(keptConfiguration('sources: {}', 'off-site.2'))).toBe('off-site.2')
  expect(repositoryOfKept(keptConfiguration('sources: {}', '/backups'))).toBeUndefined()
})
