import { expect, it } from 'vitest'
import { isRepositoryUrl, repoFlag, typedRepositoryUrl, urlWithoutPassword } from './repository-url.ts'

it.each(['./backups', '../backups', '/backups', '~/backups', '.', '..', '~', 'file:///backups', 's3:bucket', 'C:\\x'])(
  'takes %s for a URL',
  text => {
    expect(isRepositoryUrl(text)).toBe(true)
  },
)

it.each(['main', 'backups', 'off-site.2', '3f2a', 'a_b'])('takes %s for a name', text => {
  expect(isRepositoryUrl(text)).toBe(false)
})

it('gives a path one spelling', () => {
  const spell = (text: string): string => typedRepositoryUrl(text, '/srv/app', { HOME: '/home/u' })
  expect(spell('../b/')).toBe('/srv/b')
  expect(spell('~/b')).toBe('/home/u/b')
  expect(spell('file:///b%20c')).toBe('/b c')
  expect(spell('s3:bucket/b')).toBe('s3:bucket/b')
  expect(spell('sftp://user@host/b')).toBe('sftp://user@host/b')
  expect(() => spell('C:\\b')).toThrow('a path of Windows')
})

it('refuses a password in the URL that stands behind a scheme of a storage', () => {
  expect(() => typedRepositoryUrl('s3:https://key:hunter2@host/bucket', '/app', {})).toThrow(
    'the repository URL s3:https://key:... holds a password',
  )
})

it('refuses a password in a URL, and does not show it', () => {
  const refused = (): string => typedRepositoryUrl('sftp://user:hunter2@host/b', '/', {})
  expect(refused).toThrow('the repository URL sftp://user:... holds a password')
  expect(refused).not.toThrow('hunter2')
})

it('adds to a command what a repository without a name needs', () => {
  expect(repoFlag('main')).toBe('')
  expect(repoFlag('/srv/b')).toBe(' --repo /srv/b')
  expect(repoFlag("/it's/$HOME")).toBe(String.raw` --repo '/it'\''s/$HOME'`)
})

it.each([
  ['s3:https://h:9000/b/p', 's3:https://h:9000/b/p'],
  ['sftp:u@h:/p', 'sftp:u@h:/p'],
  ['rest:https://u:hunter2@h/r', 'rest:https://u@h/r'],
  ['rest:https://u:hunt:er@2@h:8000/r?token=hunter2', 'rest:https://u@h:8000/r'],
  ['https://:hunter2@h/', 'https://@h/'],
])('what is shown of %s has no password', (url, shown) => {
  expect(urlWithoutPassword(url)).toBe(shown)
})
