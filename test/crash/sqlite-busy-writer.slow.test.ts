import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { BusyWriter, examineLedger, type WriterReport } from '../helpers/busy-writer.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'

describe('a database with a writer at full speed', () => {
  let dir = ''
  let writer: BusyWriter

  beforeEach(async () => {
    dir = await makeTempDir()
  })

  afterEach(async () => {
    await writer.kill()
    await removeDir(dir)
  })

  const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

  /** Whole, and exactly the instant that the pinned reader counted in. Returns the number of moves. */
  const examine = (snapshot: DrainedSnapshot): number => {
    const file = snapshot.entries[0]?.file ?? ''
    const copy = join(dir, 'copy.db')
    copyFileSync(file, copy)
    const { broken, moves } = examineLedger(copy)
    expect(broken).toEqual([])
    expect(snapshot.manifest.database?.tables).toMatchObject([
      { name: 'accounts', rows: 2000 },
      { name: 'moves', rows: moves },
      { name: 'state', rows: 1 },
    ])
    return moves
  }

  for (const pageSize of [512, 4096, 65_536]) {
    it(`gives whole captures of one instant each, pages of ${pageSize}`, async () => {
      writer = await BusyWriter.start(join(dir, 'app.db'), 'wal', pageSize)
      const moves: number[] = []
      for (let i = 0; i < 10; i++) moves.push(examine(await drain(source(), dir, { bufferBytes: 1 << (12 + i) })))
      const report: WriterReport = await writer.stop()
      expect(moves).toEqual([...moves].sort((a, b) => a - b))
      expect(new Set(moves).size).toBe(moves.length)
      expect(report.transactions).toBeGreaterThan(moves.at(-1) ?? 0)
      const last = examine(await drain(source(), dir))
      expect(last).toBe(report.transactions)
    })
  }

  it('gives incremental captures that restore to the instant', async () => {
    writer = await BusyWriter.start(join(dir, 'app.db'))
    let parent = await drain(source(), dir)
    for (let i = 0; i < 5; i++) parent = await drain(source(), dir, { type: 'incremental', parent })
    await writer.stop()
    const target = join(dir, 'restored.db')
    const outcome = await source().restore({
      ...(await makeContext(dir)),
      snapshot: parent.reader,
      target,
      force: false,
      delta: false,
      checks: true,
      include: [],
    })
    expect(outcome.checks.map(check => check.passed)).not.toContain(false)
    expect(examineLedger(target).broken).toEqual([])
  })

  it('gives whole captures with a rollback journal too', async () => {
    writer = await BusyWriter.start(join(dir, 'app.db'), 'delete')
    for (let i = 0; i < 5; i++) examine(await drain(source(), dir))
    const report = await writer.stop()
    expect(report.transactions).toBeGreaterThan(5)
  })

  it('recovers what a killed writer left, in the capture only', async () => {
    for (const mode of ['wal', 'delete'] as const) {
      const path = join(dir, 'app.db')
      for (let i = 0; i < 3; i++) {
        writer = await BusyWriter.start(path, mode)
        await drain(source(), dir)
        await writer.kill()
        expect(examine(await drain(source(), dir))).toBeGreaterThan(0)
        for (const end of ['', '-wal', '-shm', '-journal']) await removeDir(path + end)
      }
    }
  })
})
