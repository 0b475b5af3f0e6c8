import { expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import { SOURCES } from '../sources/registry.ts'
import { parseConfig } from './load.ts'

const REPOSITORY = 'repositories: { main: { url: ./backups, passwordFile: ./password } }\n'
const SOURCE = `${REPOSITORY}sources:\n  app:\n    kind: sqlite\n    path: app.db\n`
const POLICY = `${REPOSITORY}sources: { app: { kind: files, path: data } }\npolicies:\n  p:\n    sources: [app]\n    repositories: [main]\n`
const HOOK = `${SOURCE}    restore:\n      after:\n        `
const ASSERTION = `${SOURCE}    assertions:\n      - `

function problemsIn(text: string): string[] {
  try {
    parseConfig(text, '/app/lifeboat.yaml', { environment: {}, kinds: SOURCES })
  } catch (error) {
    if (error instanceof AppError) return error.message.split('\n')
    throw error
  }
  return []
}

test.each([
  [
    'a cluster as a way to take a database',
    `${REPOSITORY}sources:\n  app:\n    kind: postgres\n    url: postgres:///a\n    mode: physical\n`,
    '6:5: sources.app.mode cannot be given: a whole cluster is a kind of its own: write "kind: postgres-cluster", and leave "mode" out',
  ],
  [
    'the one way to take a database',
    `${REPOSITORY}sources:\n  app:\n    kind: postgres\n    mode: logical\n`,
    '5:5: sources.app.mode cannot be given: leave it out: databases by pg_dump are what "kind: postgres" is',
  ],
  [
    'a program that is a text',
    `${HOOK}command: systemctl stop app`,
    '8:18: sources.app.restore.after.command is not right (allowed: a program and its arguments, as a list)',
  ],
  [
    'a misspelt program',
    `${HOOK}comand: [systemctl, stop, app]`,
    '8:9: sources.app.restore.after.comand is not a known key; did you mean "command"? (allowed: command, environment, timeout)',
  ],
  [
    'a time of a program',
    `${HOOK}command: [a]\n        timeout: soon`,
    '9:18: sources.app.restore.after.timeout cannot be "soon" (allowed: a duration like "30s" or "5m")',
  ],
  [
    'a variable with its value',
    `${HOOK}command: [a]\n        environment: [A=b]`,
    '9:23: sources.app.restore.after.environment.0 is not right (allowed: the name of an environment variable)',
  ],
  [
    'a URL of another scheme',
    `${HOOK}http: ftp://host`,
    '8:15: sources.app.restore.after.http is not right (allowed: an http or https URL)',
  ],
  [
    'a method that is none',
    `${HOOK}http: http://host\n        method: PATCH`,
    '9:17: sources.app.restore.after.method cannot be "PATCH" (allowed: GET, POST, PUT, DELETE)',
  ],
  [
    'two at once',
    `${HOOK}command: [a]\n        http: http://host`,
    '9:9: sources.app.restore.after.http is not a known key (allowed: command, environment, timeout)',
  ],
  [
    'a hook that is a list',
    `${SOURCE}    restore: { after: [a] }`,
    '6:23: sources.app.restore.after cannot be a list (allowed: a mapping with "command" or "http")',
  ],
  [
    'a hook that says nothing',
    `${SOURCE}    restore: { after: { timeout: 5m } }`,
    '6:23: sources.app.restore.after cannot be a mapping (allowed: a mapping with "command" or "http")',
  ],
  [
    'a limit that is a text',
    `${ASSERTION}sql: select 1\n        atLeast: many`,
    '8:18: sources.app.assertions.0.atLeast is not right (allowed: a number)',
  ],
  [
    'a misspelt statement',
    `${ASSERTION}sqll: select 1\n        equals: 1`,
    '7:9: sources.app.assertions.0.sqll is not a known key; did you mean "sql"? (allowed: sql, database, equals, atLeast, atMost, matches, name, timeout)',
  ],
  [
    'a statement without a rule',
    `${ASSERTION}sql: select 1`,
    '7:9: sources.app.assertions.0 does not have what it needs (allowed: at least one of equals, atLeast, atMost, matches)',
  ],
  [
    'an assertion of another kind of source',
    `${ASSERTION}exists: a.txt`,
    '7:9: sources.app.assertions.0 cannot be a mapping (allowed: a mapping with one of sql, command, http)',
  ],
  [
    'a misspelt level',
    `${POLICY}    verify: { levl: restored }`,
    '7:15: policies.p.verify.levl is not a known key; did you mean "level"? (allowed: level, every)',
  ],
  [
    'a level that is none',
    `${POLICY}    verify: { level: restord }`,
    '7:22: policies.p.verify.level cannot be "restord" (allowed: checked, restored)',
  ],
  [
    'a level alone that is none',
    `${POLICY}    verify: restord`,
    '7:13: policies.p.verify cannot be "restord" (allowed: "checked", "restored", or a mapping like { level: restored, every: 7 })',
  ],
  [
    'a source without a kind',
    `${REPOSITORY}sources:\n  app:\n    path: app.db`,
    '3:3: sources.app.kind is missing (allowed: files, postgres, postgres-cluster, sqlite)',
  ],
  [
    'a key of another kind',
    `${SOURCE}    url: x`,
    '6:5: sources.app.url is not a known key (allowed: path, kind, restore, assertions)',
  ],
  ['a number among files', `${REPOSITORY}envFile: [.env, 5]`, '2:17: envFile.1 is not right (allowed: a text)'],
])('%s is told by its own line', (_name, text, expected) => {
  expect(problemsIn(text)).toEqual([`lifeboat.yaml:${expected}`])
})
