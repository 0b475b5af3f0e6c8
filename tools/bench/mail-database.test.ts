import { copyFileSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { zstdCompressSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { countDifferentPages, generateMailDatabase, touchPages } from './mail-database.ts'

const SIZE = 12_000_000

describe('the mail-like database', () => {
  let path: string
  beforeEach(() => {
    path = join(makeTempDir(), 'mail.db')
    generateMailDatabase(path, { sizeBytes: SIZE, seed: 7 })
  })

  it('has the wanted size, is sound, and shrinks as mail does', () => {
    expect(statSync(path).size / SIZE).toBeGreaterThan(0.9)
    expect(statSync(path).size / SIZE).toBeLessThan(1.1)
    const db = new DatabaseSync(path)
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    db.close()
    const content = readFileSync(path)
    let compressed = 0
    for (let at = 0; at < content.length; at += 1 << 20) {
      compressed += zstdCompressSync(content.subarray(at, at + (1 << 20))).length
    }
    expect(content.length / compressed).toBeGreaterThan(2.6)
    expect(content.length / compressed).toBeLessThan(3.6)
  })

  it('is the same for the same seed', () => {
    const again = `${path}.again`
    generateMailDatabase(again, { sizeBytes: SIZE, seed: 7 })
    expect(countDifferentPages(path, again).different).toBe(0)
  })

  it('is changed in the wanted part of its pages', () => {
    const before = `${path}.before`
    copyFileSync(path, before)
    const touched = touchPages(path, { percent: 1, seed: 3 })
    const { pages, different } = countDifferentPages(before, path)
    expect((100 * different) / pages).toBeGreaterThan(0.8)
    expect((100 * different) / pages).toBeLessThan(1.5)
    expect(Math.abs(touched.changedPages - different)).toBeLessThan(5)
  })
})
