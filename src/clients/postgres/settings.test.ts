import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { isAppError } from '../../base/errors.ts'
import { passwordIn } from './pass-file.ts'
import { databaseInUrl, describeConnection, hostInUrl, resolveConnection } from './settings.ts'
import { connectionEnvironment } from './tools.ts'

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

describe('services', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lb-service-'))
  afterAll(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'own.conf')
  writeFileSync(
    file,
    '# comment\n[other]\nhost=elsewhere\n\n[shop]\nhost=db.example\nport=6000\ndbname=shop \nuser=clerk\npassword=pl4nted\nsslmode=require\n[bad]\nhost = x\nldap://x\n[odd]\nsslcrl=/x\n[unknown]\nhosst=x\n',
  )
  writeFileSync(join(dir, 'pg_service.conf'), '[shared]\ndbname=common\n')
  const env = { PGSERVICEFILE: file, PGSYSCONFDIR: dir, HOME: dir }

  it('are what PGSERVICE and service= name, before the other variables and after what is written', () => {
    const named = { host: 'db.example', port: 6000, database: 'shop', user: 'clerk', sslMode: 'require' }
    expect(resolve({}, { ...env, PGSERVICE: 'shop', PGHOST: 'env', PGDATABASE: 'env' })).toMatchObject(named)
    expect(resolve({ url: 'postgres://?service=shop' }, env)).toMatchObject(named)
    expect(resolve({ url: 'postgres://me@/mine?service=shop' }, env)).toMatchObject({
      ...named,
      user: 'me',
      database: 'mine',
    })
    expect(resolve({ url: 'postgres:///?service=shop', database: 'key' }, env)).toMatchObject({
      ...named,
      database: 'key',
    })
    expect(resolve({ url: 'postgres:///?service=shared' }, { ...env, PGSERVICE: 'shop' }).database).toBe('common')
    expect(resolve({ url: `postgres:///?service=shop&servicefile=${file}` }, {}).database).toBe('shop')
    expect(resolve({}, { ...env, PGSERVICE: 'shop' }).password?.reveal()).toBe('pl4nted')
    const url = `postgres:///?service=shop&servicefile=${file}`
    expect([databaseInUrl(url), hostInUrl(url)]).toEqual(['shop', 'db.example'])
  })

  it.each([
    ['nobody', /there is no service nobody in/],
    ['bad', /a line that is no parameter/],
    ['odd', /sslcrl in service odd asks for what/],
    ['unknown', /does not know: hosst/],
  ])('%s is refused', (name, message) => {
    expect(() => resolve({}, { ...env, PGSERVICE: name })).toThrow(message)
    expect(() => resolve({ url: `postgres://h/d?service=${name}` }, env)).toThrow(message)
  })
  it('has to have the file that is named', () =>
    expect(() => resolve({}, { PGSERVICE: 'shop', PGSERVICEFILE: join(dir, 'none') })).toThrow(
      /cannot read the service file/,
    ))
})

describe('each parameter is gone by or refused', () => {
  it.each([
    ['PGCONNECT_TIMEOUT', '7', { connectTimeoutSeconds: 7 }],
    ['PGPASSFILE', '/p', { passFile: '/p' }],
    ['PGCHANNELBINDING', 'require', { channelBinding: 'require' }],
    ['PGTARGETSESSIONATTRS', 'primary', { targetSessionAttrs: 'primary' }],
    ['PGSSLMODE', 'verify-full', { sslMode: 'verify-full' }],
    ['PGOPTIONS', '-c x=y', { options: '-c x=y' }],
    ['PGAPPNAME', 'x', {}],
    ['PGTZ', 'x', {}],
    ['PGDATA', '/x', {}],
    ['PGGSSENCMODE', 'prefer', {}],
    ['PGHOSTADDR', '', {}],
  ])('%s=%s is taken', (name, value, expected) => expect(resolve({}, { [name]: value })).toMatchObject(expected))

  it.each([
    ['PGHOSTADDR', '10.0.0.1'],
    ['PGSSLCRL', '/crl'],
    ['PGREQUIREAUTH', 'scram-sha-256'],
    ['PGREQUIRESSL', '1'],
    ['PGGSSENCMODE', 'require'],
    ['PGSSLMINPROTOCOLVERSION', 'TLSv1.3'],
    ['PGSSLNEGOTIATION', 'direct'],
    ['PGPORT', 'x'],
    ['PGSSLMODE', 'sometimes'],
    ['PGTARGETSESSIONATTRS', 'x'],
    ['PGHOST', 'a,b'],
  ])('%s=%s is refused', (name, value) => expect(() => resolve({}, { [name]: value })).toThrow(/./))

  it.each(['sslpassword=pl4nted', 'hostaddr=10.0.0.1', 'require_auth=none', 'replication=database', 'hots=pl4nted'])(
    'the url’s %s is refused, unseen',
    query => {
      let said = ''
      try {
        resolve({ url: `postgres://h/d?${query}` })
      } catch (error) {
        said = `${String(error)} ${isAppError(error) ? error.hint : ''}`
      }
      expect(said).toMatch(/source-invalid|url/)
      expect(said).not.toContain('pl4nted')
    },
  )

  it.each(['schema=public', 'connection_limit=5&pool_timeout=2', 'pgbouncer=true', 'application_name=x', 'ssl=false'])(
    'the url’s %s is somebody else’s',
    query =>
      expect(resolve({ url: `postgres://h/d?${query}` })).toMatchObject({
        host: 'h',
        database: 'd',
        sslMode: 'prefer',
      }),
  )
  it('reads ssl=true as libpq does', () => expect(resolve({ url: 'postgres://h/d?ssl=true' }).sslMode).toBe('require'))
})

describe('the pass file', () => {
  const text =
    '# db:5432:shop:app:comment\r\ndb:5432:shop:app:first\nlocalhost:*:*:app:a\\:b\\\\c\n\n::1:5:x:y:z\n*:*:*:last:l:m\n'
  it.each([
    ['db', 5432, 'app', 'shop', 'first'],
    ['db', 5433, 'app', 'shop', undefined],
    ['/run/postgresql', 1, 'app', 'x', 'a:b\\c'],
    ['localhost', 1, 'app', 'x', 'a:b\\c'],
    ['db', 1, 'last', 'x', 'l:m'],
  ])('for %s:%s %s %s', (host, port, user, database, expected) =>
    expect(passwordIn(text, { host, port, user }, database)).toBe(expected),
  )
})

describe('the environment of PostgreSQL’s programs', () => {
  it('has the password of the connection, and nothing secret of ours', () => {
    vi.stubEnv('RESTIC_PASSWORD', 'planted')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'planted')
    vi.stubEnv('DATABASE_URL', 'postgres://app:planted@host/app')
    vi.stubEnv('PGPASSFILE', 'planted')
    try {
      const given = connectionEnvironment(resolveConnection({ url: 'postgres://app:own@localhost/app' }, {}))
      expect(given).toMatchObject({ PGPASSWORD: 'own', PGDATABASE: 'app', PATH: process.env['PATH'] })
      expect(JSON.stringify(given)).not.toContain('planted')
    } finally {
      vi.unstubAllEnvs()
    }
  })
})
