import { expect, test } from 'vitest'
import { AppError } from '../../base/errors.ts'
import { locationOf } from './location.ts'

// What restic reads them as, by its own tests.
test.each([
  ['sftp://user@host/dir/subdir', 'user', 'host', undefined, 'dir/subdir'],
  ['sftp://host/dir/subdir', undefined, 'host', undefined, 'dir/subdir'],
  ['sftp://host//dir/subdir', undefined, 'host', undefined, '/dir/subdir'],
  ['sftp://user@host:10022//dir/subdir', 'user', 'host', 10022, '/dir/subdir'],
  ['sftp://user@host/dir/subdir/../other', 'user', 'host', undefined, 'dir/other'],
  ['sftp://user@host/dir///subdir/', 'user', 'host', undefined, 'dir/subdir'],
  ['sftp://user@[::1]:22/dir', 'user', '::1', 22, 'dir'],
  ['sftp://a%40b@host//with%20space', 'a@b', 'host', undefined, '/with space'],
  ['sftp://host/', undefined, 'host', undefined, '.'],
  ['sftp://host//', undefined, 'host', undefined, '/'],
  ['sftp:user@host:/dir/subdir', 'user', 'host', undefined, '/dir/subdir'],
  ['sftp:user@domain@host:/dir', 'user@domain', 'host', undefined, '/dir'],
  ['sftp:host:../dir/subdir', undefined, 'host', undefined, '../dir/subdir'],
  ['sftp:user@host:dir/subdir:suffix', 'user', 'host', undefined, 'dir/subdir:suffix'],
  ['sftp:host:', undefined, 'host', undefined, '.'],
])('%s is read as restic reads it', (url, user, host, port, folder) => {
  expect(locationOf(url)).toEqual({ user, host, port, folder })
})

test.each([
  ['sftp:host', /names no folder/],
  ['sftp://host', /names no folder/],
  ['sftp::/x', /names no host/],
  ['sftp:///x', /names no host/],
  ['sftp://host:dir', /cannot be read/],
  ['sftp:host:~/x', /begins with "~"/],
  ['sftp://host/~/x', /begins with "~"/],
  ['sftp://host/a?b', /mean something else/],
  ['sftp://host/a%zz', /no two digits/],
  ['sftp://user:hunter2@host/x', /holds a password/],
  ['sftp:user:hunter2@host:/x', /holds a password/],
])('%s is refused, without what may be a password', (url, message) => {
  let thrown: unknown
  try {
    locationOf(url)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(AppError)
  expect(thrown).toMatchObject({ code: 'usage', message: expect.stringMatching(message) as string })
  expect(String(thrown) + String((thrown as AppError).hint)).not.toContain('hunter2')
})
