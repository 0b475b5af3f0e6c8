import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { type Config, findConfigFile, loadConfig, parseConfig } from './load.ts'

const kinds = [
  {
    kind: 'sqlite',
    answers: 'sql' as const,
    summary: 'a database file',
    options: z.object({ path: z.string().describe('The file.') }),
  },
  {
    kind: 'files',
    answers: 'files' as const,
    summary: 'a folder',
    options: z.object({ path: z.string(), exclude: z.array(z.string()).default([]) }),
  },
]

const GOOD = `repositories:
  main: { url: ./backups, passwordFile: ./.lifeboat/password }
sources:
  app: { kind: sqlite, path: ./prisma/dev.db }
  docs: { kind: files, path: \${DOCS}, exclude: [tmp] }
policies:
  nightly:
    sources: [app, docs]
    repositories: [main]
    schedule: "0 2 * * *"
    timezone: Asia/Shanghai
    keep: { daily: 7, within: 30d }
    objectives: { rpo: 25h, rto: 30m }
`

const parse = (text: string, environment: Record<string, string> = { DOCS: '/srv/docs' }): Config =>
  parseConfig(text, '/app/lifeboat.yaml', { environment, kinds })

function errorOf(text: string, environment?: Record<string, string>): AppError {
  try {
    parse(text, environment)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('no error')
}

test('reads a configuration', () => {
  const config = parse(GOOD)
  expect(config.baseDir).toBe('/app')
  expect(config.stateDir).toBe('/app/.lifeboat')
  expect(config.sources.get('app')).toEqual({ kind: 'sqlite', options: { path: './prisma/dev.db' } })
  expect(config.sources.get('docs')?.options).toEqual({ path: '/srv/docs', exclude: ['tmp'] })
  expect(config.policies.get('nightly')?.objectives).toEqual({ rpo: 90_000_000, rto: 1_800_000 })
  expect(config.policies.get('nightly')?.keep?.within).toEqual({ years: 0, months: 0, days: 30, hours: 0 })
  expect(config.findings).toEqual([])
})

const edits: Array<[name: string, from: string, to: string, expected: string]> = [
  [
    'a wrong number',
    'daily: 7',
    'daily: seven',
    'lifeboat.yaml:12:20: policies.nightly.keep.daily cannot be "seven" (allowed: a whole number',
  ],
  ['zero', 'daily: 7', 'daily: 0', 'cannot be 0 (allowed: a whole number of 1 or more)'],
  [
    'a misspelt key',
    'daily: 7',
    'dayly: 7',
    'lifeboat.yaml:12:13: policies.nightly.keep.dayly is not a known key; did you mean "daily"? (allowed: last, hourly',
  ],
  [
    'a key of a source',
    'exclude',
    'excludes',
    'lifeboat.yaml:5:39: sources.docs.excludes is not a known key; did you mean "exclude"? (allowed: path, exclude, kind, restore, assertions)',
  ],
  [
    'a key at the top',
    'policies:',
    'policy:',
    'lifeboat.yaml:6:1: policy is not a known key; did you mean "policies"?',
  ],
  [
    'an unknown kind',
    'kind: sqlite',
    'kind: oracle',
    'lifeboat.yaml:4:16: sources.app.kind cannot be "oracle" (allowed: sqlite, files)',
  ],
  ['a missing key', ', path: ./prisma/dev.db', '', 'lifeboat.yaml:4:3: sources.app.path is missing (allowed: a text)'],
  ['a list for a text', './prisma/dev.db', '[a]', 'sources.app.path cannot be a list (allowed: a text)'],
  [
    'a dangling source',
    '[app, docs]',
    '[ap, docs]',
    'lifeboat.yaml:8:15: there is no source "ap"; did you mean "app"? (allowed: app, docs)',
  ],
  [
    'a dangling repository',
    'repositories: [main]',
    'repositories: [offsite]',
    'there is no repository "offsite" (allowed: main)',
  ],
  [
    'a bad schedule',
    '0 2 * * *',
    'nightly',
    'policies.nightly.schedule cannot be "nightly" (allowed: a cron expression',
  ],
  ['a bad time zone', 'Asia/Shanghai', 'Mars/Base', 'cannot be "Mars/Base" (allowed: a time zone like'],
  ['a bad duration', '25h', '25 hens', 'policies.nightly.objectives.rpo cannot be "25 hens" (allowed: a duration like'],
  [
    'no password',
    ', passwordFile: ./.lifeboat/password',
    '',
    'lifeboat.yaml:2:3: repositories.main does not have what it needs (allowed: exactly one of passwordFile, passwordEnv, passwordCommand)',
  ],
  ['two passwords', 'passwordFile:', 'passwordEnv: X, passwordFile:', 'exactly one of passwordFile'],
  ['a bad name', 'app: {', '"a b": {', 'lifeboat.yaml:4:3: "a b" cannot be a name (allowed: a name of letters'],
  ['the same key twice', 'policies:', 'sources: {}\npolicies:', 'lifeboat.yaml:6:1: this key stands there twice'],
  ['broken YAML', '[main]', '[main', 'lifeboat.yaml:10:'],
]

test.each(edits)('says where and what: %s', (_name, from, to, expected) => {
  expect(GOOD).toContain(from)
  const error = errorOf(GOOD.replace(from, to))
  expect(error.code).toBe('config-invalid')
  expect(error.message).toContain(expected)
})

test('shows no more than the beginning of a long value', () => {
  const { message } = errorOf(GOOD.replace('0 2 * * *', 'a'.repeat(100_000)))
  expect(message.length).toBeLessThan(500)
  expect(message).toContain('(100002 characters)')
})

const SECRET = 'hunter2hunter2'

test.each([
  ['a password file', `${SECRET}\n`],
  ['a private key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${SECRET}==\n-----END OPENSSH PRIVATE KEY-----\n`],
  ['an encrypted private key', `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${SECRET}\n`],
  ['.env', `DATABASE_URL="postgres://u:${SECRET}@h/d"\nTOKEN=a\${${SECRET}}\n`],
  ['.env with colons', `TOKEN: ${SECRET}\n${SECRET}: x\n`],
  ['.pgpass', `h:5432:d:u:${SECRET}\n`],
  ['JSON', JSON.stringify({ type: 'service_account', private_key: SECRET, [SECRET]: 1 })],
  ['broken JSON', `{"private_key": "${SECRET}", "x": {`],
  ['a list', `- name: x\n  password: ${SECRET}\n`],
  ['TOML', `[main]\npassword = "${SECRET}"\n`],
  ['a tag', `!${SECRET} x\n`],
  ['an alias', `a: *${SECRET}\n`],
  ['an escape', `a: "\\${SECRET}"\n`],
  ['tabs', `a:\n\t${SECRET}: x\n`],
  ['compose', `services: { db: { image: postgres, environment: { POSTGRES_PASSWORD: ${SECRET} } } }\n`],
  ['a variable', `\${${SECRET}}\n`],
  ['several documents', `---\n${SECRET}\n---\n${SECRET}\n`],
  ['a reserved character', `\`${SECRET}\n`],
])('%s shows nothing of itself', (_what, text) => {
  const error = errorOf(text)
  expect(error.code).toBe('config-invalid')
  expect(`${error.message} ${error.hint} ${JSON.stringify(error.context)} ${String(error.cause)}`).not.toContain(
    'hunter2',
  )
})

test.each([
  ['of Helm', `repositories:\n- name: x\n  password: ${SECRET}\n`],
  ['of Vector', `sources: { in: { type: http, auth: { token: ${SECRET} } } }\n`],
  ['with a word for a mapping', `repositories: { main: ${SECRET} }\n`],
  ['with a command as text', GOOD.replace('path:', `restore: { after: { command: "mysql -p${SECRET}" } }, path:`)],
  ['with a URL for a kind', GOOD.replace('sqlite', `"pg://u:${SECRET}@h"`)],
  ['with broken YAML', `${GOOD}x: "${SECRET}\n`],
])('a configuration %s shows no value that may be secret', (_what, text) => {
  const error = errorOf(text)
  expect(`${error.message} ${JSON.stringify(error.context)}`).not.toContain('hunter2')
})

test.each(['__proto__', 'constructor', 'prototype', 'toString'])('%s is no name', word => {
  for (const [from, to] of [
    ['  app: {', `  ${word}: {`],
    ['  main: {', `  ${word}: {`],
    ['  nightly:', `  ${word}:`],
  ] as const) {
    expect(GOOD).toContain(from)
    expect(errorOf(GOOD.replace(from, to)).message).toContain(`"${word}" cannot be a name`)
  }
})

test('several documents in one file are refused in plain words', () => {
  expect(errorOf(`${GOOD}---\n${GOOD}`).message).toContain('the file holds several documents (---); one is allowed')
})

test('lists every problem, in the order of the file', () => {
  const error = errorOf(GOOD.replace('daily: 7', 'dayly: 7').replace('url: ./backups', 'url: 7'))
  expect(error.message.split('\n').map(line => line.split(':')[1])).toEqual(['2', '12'])
  expect(error.context.problems).toHaveLength(2)
})

test.each(['', '[]', '42', 'null', '- a', 'repositories: 1\nsources: []', '\u0000', '{{{', 'a: &x 1\nb: *x'])(
  'refuses %j with an error of ours',
  text => expect(errorOf(text).code).toBe('config-invalid'),
)

const options = (path: string): unknown =>
  parse(
    GOOD.replace('${DOCS}', () => path),
    {},
  ).sources.get('docs')?.options

describe('variables', () => {
  test('are filled in everywhere but in comments, also inside braces, and are never YAML', () => {
    const text = `${GOOD}# \${NOT_THERE}\n`
    expect(parse(text, { DOCS: 'x: [y] # "z' }).sources.get('docs')?.options).toMatchObject({ path: 'x: [y] # "z' })
  })

  test('may have a default, may be escaped', () => {
    expect(options('"a/${DOCS:-b c}/d"')).toMatchObject({ path: 'a/b c/d' })
    expect(options('"$${DOCS}"')).toMatchObject({ path: '${DOCS}' })
  })

  test('that are missing are named with their line', () => {
    expect(errorOf(GOOD, {}).message).toBe('lifeboat.yaml:5:30: environment variable DOCS is not set')
    expect(errorOf(GOOD.replace('${DOCS}', '${DOCS:x}')).message).toContain(
      'there is no name of an environment variable',
    )
  })

  test('and passwords are never shown in errors', () => {
    const secret = 'hunter2hunter2'
    const wrong = GOOD.replace('daily: 7', 'daily: ${DOCS}')
    expect(errorOf(wrong, { DOCS: secret }).message).toContain('cannot be "${DOCS}"')
    const inClear = GOOD.replace('passwordFile: ./.lifeboat/password', `password: [${secret}], passwordEnv: ${secret}`)
    const url = GOOD.replace('./prisma/dev.db', `7, path2: "s3://user:${secret}@host"`).replace(
      'sqlite',
      `"pg://u:${secret}@h"`,
    )
    for (const text of [inClear, url]) {
      const error = errorOf(text)
      expect(`${error.message}${JSON.stringify(error.context)}`).not.toContain(secret)
    }
  })
})

test('a password in clear warns', () => {
  const config = parse(GOOD.replace('passwordFile: ./.lifeboat/password', 'password: hunter2'))
  expect(config.findings.map(finding => [finding.code, finding.message])).toEqual([
    ['password-in-config', 'the password stands in clear in lifeboat.yaml:2'],
  ])
})

/** The lines of the error; none when it is valid. */
function answerOf(text: string): string[] {
  try {
    parse(text)
    return []
  } catch (error) {
    if (error instanceof AppError && error.code === 'config-invalid') return error.message.split('\n')
    throw error
  }
}

test('whatever is done to the file, the answer is a configuration or an error of ours with a place', () => {
  const pieces = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      '- ',
      '\n',
      '  ',
      '&a ',
      '*a',
      '!!js ',
      '${',
      '<<: ',
      '__proto__: ',
      '"',
      '\t',
      '#',
    ),
  )
  const edit = fc.record({ at: fc.nat(GOOD.length), cut: fc.nat(20), piece: pieces })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), edits => {
      let text = GOOD
      for (const { at, cut, piece } of edits) text = text.slice(0, at) + piece + text.slice(at + cut)
      const answer = answerOf(text)
      expect(answer.every(line => /^lifeboat\.yaml:\d+:\d+: /.test(line))).toBe(true)
    }),
    { numRuns: 500 },
  )
})

describe('files', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lifeboat-config-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('are found upwards', async () => {
    await mkdir(join(folder, 'a/b'), { recursive: true })
    await writeFile(join(folder, 'lifeboat.yaml'), GOOD)
    expect(await findConfigFile(join(folder, 'a/b'))).toBe(join(folder, 'lifeboat.yaml'))
  })

  test('that are missing or folders are clear errors', async () => {
    const options = { environment: {}, kinds }
    await expect(loadConfig(join(folder, 'no.yaml'), options)).rejects.toMatchObject({ code: 'config-not-found' })
    await expect(loadConfig(folder, options)).rejects.toMatchObject({ code: 'config-invalid' })
    await writeFile(join(folder, 'lifeboat.yaml'), GOOD)
    await chmod(join(folder, 'lifeboat.yaml'), 0o644)
    const config = await loadConfig(join(folder, 'lifeboat.yaml'), { environment: { DOCS: 'd' }, kinds })
    expect([...config.sources.keys()]).toEqual(['app', 'docs'])
  })
})

describe('assertions and verification', () => {
  const withAssertions = (list: string, policy = ''): string =>
    `repositories:\n  main: { url: ./b, passwordFile: ./p }\nsources:\n  app: { kind: sqlite, path: a, assertions: [${list}] }\n  docs: { kind: files, path: d }\n${policy}`

  test('become what the operations work with', () => {
    const config = parse(
      withAssertions(
        '{ sql: SELECT 1, equals: null }, { command: [./check, a] , timeout: 5s, name: c }, { http: "http://h/x" }',
      ),
    )
    expect(config.sources.get('app')?.assertions).toEqual([
      { sql: 'SELECT 1', equals: null, timeoutMs: 60_000 },
      { command: ['./check', 'a'], name: 'c', timeoutMs: 5_000 },
      { http: 'http://h/x', status: 200, timeoutMs: 60_000 },
    ])
    const files = withAssertions('').replace('path: d', 'path: d, assertions: [{ exists: ./a/b, minBytes: 10K }]')
    expect(parse(files).sources.get('docs')?.assertions).toEqual([
      { exists: 'a/b', sha256: undefined, minBytes: 10_240 },
    ])
  })

  test.each([
    ['{ sql: SELECT 1 }', 'at least one of equals, atLeast, atMost, matches'],
    ['{ sql: SELECT 1, matches: "(" }', 'assertions.0.matches is not right (allowed: a regular expression)'],
    ['{ command: echo hi }', 'a program and its arguments, as a list'],
    ['{ http: "ftp://x" }', 'allowed: an http or https URL'],
    ['{ exists: a }', 'a mapping with one of sql, command, http'],
    ['{ sql: SELECT 1, equals: 1, timeout: soon }', 'allowed: a duration like "30s" or "5m"'],
    ['{ sql: SELECT 1, equal: 1 }', 'at least one of equals'],
  ])('%s is refused, saying what would do', (list, allowed) => {
    expect(() => parse(withAssertions(list))).toThrow(/lifeboat\.yaml:4:/)
    expect(() => parse(withAssertions(list))).toThrow(allowed)
  })

  test('a file assertion stays in its folder', () => {
    for (const path of ['../x', '/etc/passwd', 'a/../../x']) {
      const text = withAssertions('').replace('path: d', `path: d, assertions: [{ exists: ${path} }]`)
      expect(() => parse(text)).toThrow('a path in the folder, relative to it')
    }
  })

  test.each([
    ['restored', { level: 'restored', every: 1 }],
    ['{ level: checked, every: 7 }', { level: 'checked', every: 7 }],
  ])('policies verify %s', (verify, expected) => {
    const policy = `policies:\n  p: { sources: [app], repositories: [main], verify: ${verify} }\n`
    expect(parse(withAssertions('', policy)).policies.get('p')?.verify).toEqual(expected)
    expect(() => parse(withAssertions('', policy.replace(verify, 'often')))).toThrow('"checked", "restored"')
  })
})
