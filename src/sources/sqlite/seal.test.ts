import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteProcess } from '../../../test/helpers/sqlite-process.ts'
import { isSealed, isStandIn, seal, unseal, writeStandIn } from './seal.ts'

describe('the seal of a database', () => {
  let dir = ''
  let path = ''
  let application: SqliteProcess | undefined

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lifeboat-seal-'))
    path = join(dir, 'app.db')
  })
  afterEach(async () => {
    await application?.kill()
    application = undefined
    rmSync(dir, { recursive: true })
  })

  it.each(['an empty database', 'one with rows'])(
    'keeps %s from being written, also by who had it open',
    async what => {
      application = new SqliteProcess(path)
      await application.exec(what === 'one with rows' ? 'CREATE TABLE t (a)' : 'PRAGMA user_version')
      if (what === 'an empty database') writeFileSync(path, '')
      const before = readFileSync(path)
      await seal(path)
      expect([await isSealed(path), await isStandIn(path)]).toEqual([true, false])
      await expect(application.exec('CREATE TABLE lost (a)')).rejects.toThrow('not a database')
      await unseal(path)
      expect(readFileSync(path).equals(before)).toBe(true)
    },
  )

  it('is not what a stand-in has, which stays until a database takes its place', async () => {
    await writeStandIn(path)
    await unseal(path)
    expect(await isStandIn(path)).toBe(true)
  })
})
