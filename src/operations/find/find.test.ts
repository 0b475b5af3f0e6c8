import { beforeEach, describe, expect, it } from 'vitest'
import { MadeNode, TreeRepository } from '../../../test/helpers/tree-repository.ts'
import { collect } from '../../base/collect.ts'
import type { Finding } from '../../model/finding.ts'
import { type FindRequest, find } from './find.ts'

const { signal } = new AbortController()
const at = (time: string): bigint => BigInt(Date.parse(time)) * 1_000_000n
const repository = new TreeRepository()
const shared = { 'report (1).pdf': 'x', deep: { 'app.db': 'x', '.hidden.db': 'x', '[a].txt': 'x' } }
const first = repository.snapshot(
  { docs: shared, 'App.DB': 'y', old: new MadeNode({ mtimeNs: at('2020-01-01') }) },
  'app',
)
const second = repository.snapshot({ docs: shared, more: { docs: { deep: { 'app.db': 'z' } } }, '!odd': '' }, 'app')

let findings: Finding[] = []
beforeEach(() => void (findings = []))
const onFinding = (finding: Finding): void => void findings.push(finding)

async function search(patterns: readonly string[], options: Partial<FindRequest> = {}): Promise<string[]> {
  const request = { repository, snapshots: [first, second], patterns, ignoreCase: false, signal, onFinding, ...options }
  const found = await collect(find(request))
  return found.map(({ snapshot, path }) => `${snapshot === first.id ? 1 : 2} ${path}`)
}

describe('find', () => {
  it.each([
    [
      ['*.db'],
      [
        '1 docs/deep/.hidden.db',
        '1 docs/deep/app.db',
        '2 docs/deep/.hidden.db',
        '2 docs/deep/app.db',
        '2 more/docs/deep/app.db',
      ],
    ],
    [['app.db'], ['1 docs/deep/app.db', '2 docs/deep/app.db', '2 more/docs/deep/app.db']],
    [['/docs/*'], ['1 docs/deep', '1 docs/report (1).pdf', '2 docs/deep', '2 docs/report (1).pdf']],
    [['docs/**/app.db'], ['1 docs/deep/app.db', '2 docs/deep/app.db', '2 more/docs/deep/app.db']],
    [['report (1).pdf'], ['1 docs/report (1).pdf', '2 docs/report (1).pdf']],
    [['[a].txt'], ['1 docs/deep/[a].txt', '2 docs/deep/[a].txt']],
    [['!odd'], ['2 !odd']],
    [['{old,more}'], ['1 old', '2 more']],
    [
      ['old', '/more'],
      ['1 old', '2 more'],
    ],
    [['manifest.json'], []],
    [['nothing*'], []],
  ])('%j', async (patterns, expected) => {
    expect(await search(patterns)).toEqual(expected)
  })

  it.each([['caf\\xe9'], ['caf\\xe9*'], ['*\\xe9'], ['caf\ufffd'], ['caf?']])(
    '%j finds a name that is not text',
    async pattern => {
      const only = repository.snapshot({ 'caf\udce9': 'x', cafxe9: 'y' }, 'app')
      const names = (
        await collect(
          find({ repository, snapshots: [only], patterns: [pattern], ignoreCase: false, signal, onFinding: () => {} }),
        )
      ).map(({ path }) => path)
      expect(names).toEqual(['caf\udce9'])
    },
  )

  it('ignores case where told to', async () => {
    expect(await search(['APP.DB'], { snapshots: [first] })).toEqual([])
    expect(await search(['APP.DB'], { snapshots: [first], ignoreCase: true })).toEqual([
      '1 App.DB',
      '1 docs/deep/app.db',
    ])
  })

  it('takes types and times, both ends included', async () => {
    expect(await search(['d*'], { snapshots: [first], types: ['file'] })).toEqual([])
    const then = new Date('2020-01-01')
    expect(await search(['*'], { oldest: then, newest: then })).toEqual(['1 old'])
    expect(await search(['old'], { oldest: new Date(then.getTime() + 1) })).toEqual([])
    expect(await search(['old'], { newest: new Date(then.getTime() - 1) })).toEqual([])
  })

  it('does not look twice into a tree that holds nothing', async () => {
    repository.loadedTrees.length = 0
    await search(['old'])
    const docs = [...(await repository.loadTree(first.tree))].find(node => node.name === 'app')
    const inside = [...(await repository.loadTree(docs?.subtree ?? ''))].find(node => node.name === 'docs')?.subtree
    expect(repository.loadedTrees.filter(id => id === inside)).toHaveLength(1)
  })

  it('stops when told to', async () => {
    await expect(search(['*'], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'interrupted' })
  })

  it('searches what is whole, and names what is damaged', async () => {
    const damaged = new TreeRepository()
    const lost = damaged.snapshot({ gone: { 'a.txt': 'lost' } }, 'app')
    const partly = damaged.snapshot({ broken: { 'b.txt': 'x' }, docs: { 'wanted.txt': 'x' } }, 'app')
    const whole = damaged.snapshot({ broken: { 'b.txt': 'x' }, more: { 'wanted.txt': 'y' } }, 'app')
    await damaged.loseTree(lost, [])
    await damaged.loseTree(partly, ['app', 'broken'])
    const request = { repository: damaged, snapshots: [lost, partly, whole] }
    const found = await search(['wanted*', 'b.txt'], request)
    expect(found).toEqual(['2 docs/wanted.txt', '2 more/wanted.txt'])
    expect(findings.map(({ severity, affects }) => [severity, affects])).toEqual([
      ['error', [lost.id]],
      ['error', [partly.id]],
      ['error', [whole.id]],
    ])
    expect(findings[1]?.message).toContain('broken')
  })
})
