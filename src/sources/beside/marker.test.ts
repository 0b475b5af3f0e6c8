import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isEmpty, Marker } from './marker.ts'

const marker = new Marker(z.object({ snapshot: z.string() }))
let dir: string
let path: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-marker-'))
  path = join(dir, '.lifeboat-restore')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('is read as it was written, says to people what it is, and goes', async () => {
  await marker.write(dir, { snapshot: 'a' })
  await marker.write(Buffer.from(dir), { snapshot: 'b' })
  expect(await marker.read(dir)).toEqual({ snapshot: 'b' })
  expect(readFileSync(path, 'utf8')).toContain('has not finished')
  expect(readdirSync(dir)).toEqual(['.lifeboat-restore'])
  await marker.remove(dir)
  await marker.remove(dir)
  expect(readdirSync(dir)).toEqual([])
  expect(await marker.read(dir)).toBeUndefined()
})

it('is replaced whole: one that was cut off before is no marker, and nothing in the folder', async () => {
  writeFileSync(`${path}-new`, '{"snapsh')
  expect(await marker.read(dir)).toBeUndefined()
  expect(isEmpty(readdirSync(dir))).toBe(true)
  await marker.write(dir, { snapshot: 'a' })
  expect(isEmpty(readdirSync(dir))).toBe(false)
})

describe('what somebody else put there is no marker', () => {
  it.each([
    ['empty', ''],
    ['no JSON', 'snapshot a\n'],
    ['another shape', '{"snapshot":1}'],
    ['null', 'null'],
    ['bytes', '\0\u{ffff}'],
    ['too long', `{"snapshot":"${'a'.repeat(5000)}"}`],
  ])('%s', async (_what, content) => {
    writeFileSync(path, content)
    expect(await marker.read(dir)).toBeUndefined()
  })

  it('a link is neither read nor written through', async () => {
    const outside = join(dir, 'outside')
    writeFileSync(outside, '{"snapshot":"a"}')
    for (const name of [path, `${path}-new`]) symlinkSync(outside, name)
    expect(await marker.read(dir)).toBeUndefined()
    await marker.write(dir, { snapshot: 'b' })
    expect(readFileSync(outside, 'utf8')).toBe('{"snapshot":"a"}')
    expect(await marker.read(dir)).toEqual({ snapshot: 'b' })
  })

  it('a pipe that nobody writes to is not waited for', async () => {
    execFileSync('mkfifo', [path])
    expect(await marker.read(dir)).toBeUndefined()
  })

  it('a folder stays, and is an error for who would write', async () => {
    mkdirSync(path)
    expect(await marker.read(dir)).toBeUndefined()
    await expect(marker.write(dir, { snapshot: 'a' })).rejects.toThrow('directory')
  })
})
