import { expect, test } from 'vitest'
import { sqliteOptions } from './options.ts'

test.each([
  ['./data/app.db', './data/app.db'],
  ['/srv/app.db', '/srv/app.db'],
  ['./file:odd.db', './file:odd.db'],
  ['a?b#c.db', 'a?b#c.db'],
  ['file:/srv/app.db', '/srv/app.db'],
  ['file:///srv/app.db?connection_limit=1', '/srv/app.db'],
  ['file://localhost/srv/my%20app.db#x', '/srv/my app.db'],
  ['FILE:///srv/app.db', '/srv/app.db'],
  ['sqlite:////srv/app.db?mode=ro', '/srv/app.db'],
])('%s is %s', (value, path) => {
  expect(sqliteOptions.parse({ path: value })).toEqual({ path })
})

test.each([
  ['file:./dev.db?connection_limit=1', 'a path, such as ./prisma/dev.db'],
  ['file:dev.db', 'a path, such as ./prisma/dev.db'],
  ['file:../dev.db', 'a path, such as ./prisma/dev.db'],
  ['file://host/srv/app.db', 'a path, such as'],
  ['sqlite:///app.db', 'a path, such as'],
  ['sqlite://app.db', 'a path, such as'],
  ['sqlite3:db/dev.sqlite3', 'a path, such as'],
  [':memory:', 'in memory'],
  ['file::memory:?cache=shared', 'in memory'],
  ['file:/srv/x?mode=memory', 'in memory'],
  ['libsql://host/app', 'not a URL of another kind'],
  ['postgres://app:secret@host/app', 'not a URL of another kind'],
  ['', 'the path of a SQLite database file'],
])('%s is refused', (value, why) => {
  const issues = sqliteOptions.safeParse({ path: value }).error?.issues.map(({ message }) => message)
  expect(issues).toEqual([expect.stringContaining(why)])
  expect(issues?.join()).not.toContain('secret')
})
