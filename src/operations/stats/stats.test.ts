import { describe, expect, it } from 'vitest'
import { TreeRepository } from '../../../test/helpers/tree-repository.ts'
import { stats } from './stats.ts'

const { signal } = new AbortController()

describe('stats', () => {
  it('tells sizes, deduplication and compression over snapshots', async () => {
    const repository = new TreeRepository()
    const shared = { x: 'aaaabbbb', copy: { x: 'aaaabbbb' } }
    const first = repository.snapshot({ shared, empty: '' }, 'app')
    const second = repository.snapshot({ shared, more: 'cccc' }, 'app')
    const result = await stats({ repository, snapshots: [first, second], signal })
    expect(result.snapshots).toEqual([
      { id: first.id, files: 3, dirs: 2, restoreBytes: 16, incomplete: 0 },
      { id: second.id, files: 3, dirs: 2, restoreBytes: 20, incomplete: 0 },
    ])
    expect(result).toMatchObject({ files: 6, restoreBytes: 36 })
    // Two blobs shared by all, one more, and one of the manifests.
    expect(result.data).toEqual({ blobs: 4, plainBytes: 4 + 4 + 4 + 2, storedBytes: 7 })
    // Roots and source folders of both; the manifest's, `shared` and `copy` once.
    expect(result.trees.blobs).toBe(7)
    expect(result.deduplication).toBeCloseTo(36 / 14)
    expect(result.compression).toBe(2)
    expect(result.repository.snapshots).toBe(2)
  })

  it('loads each tree once', async () => {
    const repository = new TreeRepository()
    const folder = { a: { b: { c: 'x' } } }
    const snapshots = [repository.snapshot(folder), repository.snapshot(folder), repository.snapshot(folder)]
    await stats({ repository, snapshots, signal })
    expect(repository.loadedTrees).toHaveLength(3)
  })

  it('counts what is whole, and names what is damaged', async () => {
    const repository = new TreeRepository()
    const lost = repository.snapshot({ gone: { a: 'x' } }, 'app')
    const whole = repository.snapshot({ one: 'aaaa' }, 'app')
    await repository.loseTree(lost, ['app'])
    const result = await stats({ repository, snapshots: [lost, whole], signal })
    expect(result.snapshots).toEqual([
      { id: lost.id, incomplete: 0, files: 0, dirs: 0, restoreBytes: 0 },
      { id: whole.id, incomplete: 0, files: 1, dirs: 0, restoreBytes: 4 },
    ])
    expect(result.findings).toMatchObject([{ severity: 'error', affects: [lost.id] }])
  })

  it('is 1 to 1 where there is nothing', async () => {
    const repository = new TreeRepository()
    const result = await stats({ repository, snapshots: [], signal })
    expect(result).toMatchObject({ restoreBytes: 0, deduplication: 1, compression: 1 })
  })

  it('stops when told to', async () => {
    const repository = new TreeRepository()
    const snapshots = [repository.snapshot({ a: 'x' })]
    await expect(stats({ repository, snapshots, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    })
  })
})
