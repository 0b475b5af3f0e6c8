import { describe, expect, it } from 'vitest'
import { isAppError } from '../../base/errors.ts'
import { describeConnection, resolveConnection } from './settings.ts'

const resolve = (options: Parameters<typeof resolveConnection>[0], env: Record<string, string> = {}) =>
  resolveConnection(options, env)

describe('resolveConnection', () => {
  it('reads a url with everything in it', () => {
    const settings = resolve({
      url: 'postgresql://app%40x:p%2Fw%3A%40@db.example:6543/my%20shop?sslmode=verify-full&sslrootcert=/ca.pem&schema=public&connect_timeout=3',
    })
    expect(settings).toMatchObject({
      host: 'db.example',
      port: 6543,
      user: 'app@x',
      database: 'my shop',
      sslMode: 'verify-full',
      sslRootCert: '/ca.pem',
      connectTimeoutSeconds: 3,
    })
    expect(settings.password?.reveal()).toBe('p/w:@')
  })

  it('reads sockets, IPv6 and a url without a host', () => {
    expect(resolve({ url: 'postgres://u@/shop?host=/run/pg&port=5433' })).toMatchObject({ host: '/run/pg', port: 5433 })
    expect(resolve({ url: 'postgres://u@%2Frun%2Fpg/shop' }).host).toBe('/run/pg')
    expect(resolve({ url: 'postgres://u@[::1]:5/shop' })).toMatchObject({ host: '::1', port: 5 })
    expect(resolve({ url: 'postgres:///shop' }, { PGUSER: 'me' })).toMatchObject({ user: 'me', host: 'localhost' })
  })

  it('lets keywords win over the url, the url over the environment', () => {
    const env = { PGHOST: 'env', PGUSER: 'env', PGPASSWORD: 'env', PGPORT: '1', PGDATABASE: 'env' }
    const settings = resolve({ url: 'postgres://url@url/url', user: 'key' }, env)
    expect(settings).toMatchObject({ user: 'key', host: 'url', database: 'url', port: 1 })
    expect(settings.password?.reveal()).toBe('env')
  })

  it('takes the user as the database when none is named', () => {
    expect(resolve({ url: 'postgres://shop@db' }).database).toBe('shop')
  })

  for (const url of [
    'mysql://u:hunter2@h/d',
    'postgres://u:hunter2@h:99999/d',
    'postgres://u:hunter2%zz@h/d',
    'postgres://u:hunter2@a,b/d',
    'postgres://u:hunter2@h/d?sslmode=maybe',
    'postgres://u:hunter2@[::1/d',
  ]) {
    it(`refuses ${url} without showing the password`, () => {
      let error: unknown
      try {
        resolve({ url })
      } catch (reason) {
        error = reason
      }
      expect(isAppError(error, 'source-invalid')).toBe(true)
      expect(JSON.stringify(error) + String(error) + (isAppError(error) ? error.hint : '')).not.toContain('hunter2')
    })
  }

  it('describes a connection without the password', () => {
    const settings = resolve({ url: 'postgres://app:hunter2@db:5433/my%20shop' })
    expect(describeConnection(settings)).toBe('postgres://app@db:5433/my%20shop')
    expect(describeConnection(settings, 'other')).toBe('postgres://app@db:5433/other')
    expect(JSON.stringify(settings)).not.toContain('hunter2')
  })
})
