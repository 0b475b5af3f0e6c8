import { expect, test } from 'vitest'
import { SOURCES } from '../../sources/registry.ts'
import { listOwnOptions, requireOwn } from './own-options.ts'

const kindOf = (kind: string) => {
  const found = SOURCES.find(each => each.kind === kind)
  if (found === undefined) throw new Error(`no kind ${kind}`)
  return found
}

test('each option that a kind declares has a flag, a description and its kinds', () => {
  const options = listOwnOptions(SOURCES)
  expect(options.find(({ key }) => key === 'tablespace')).toEqual({
    key: 'tablespace',
    flag: '--tablespace',
    value: 'texts',
    placeholder: 'oid=path',
    description: 'restore a tablespace, by OID or old path, to this path',
    kinds: ['postgres-cluster'],
    isMoment: false,
  })
  for (const { flag, description, kinds } of options) {
    expect([flag, description]).not.toContain('undefined')
    expect(kinds).not.toEqual([])
  }
  expect(options.filter(({ isMoment }) => isMoment).map(({ flag }) => flag)).toContain('--lsn')
})

test.each([
  ['postgres-cluster', false, { start: true, tablespace: ['1=/a'] }, undefined],
  ['sqlite', false, {}, undefined],
  ['sqlite', false, { start: true }, '--start does not fit a source of kind sqlite'],
  ['postgres', false, { tablespace: ['1=/a'] }, '--tablespace does not fit a source of kind postgres'],
  ['postgres-cluster', false, { roles: true }, '--roles does not fit a source of kind postgres-cluster'],
  ['postgres-cluster', false, { lsn: '0/1' }, '--lsn does not fit a source of kind postgres-cluster'],
  ['postgres-cluster', false, { tablespace: ['1'] }, '--tablespace cannot be ["1"]'],
  ['postgres-cluster', true, { xid: '-1' }, '--xid cannot be "-1"'],
  ['files', true, { timeline: '2' }, '--timeline does not fit a source of kind files'],
  ['files', false, { nonsense: 1 }, 'a restore has no option nonsense'],
])('%s, of the moment %s, %j: %s', (kind, isMoment, own, problem) => {
  const require = () => requireOwn(kindOf(kind), own, { isMoment, kinds: SOURCES })
  if (problem === undefined) expect(require).not.toThrow()
  else expect(require).toThrow(problem)
})

test('what does not fit is told with the kinds that have it', () => {
  expect(() => requireOwn(kindOf('sqlite'), { roles: true }, { isMoment: false, kinds: SOURCES })).toThrow(
    expect.objectContaining({ code: 'usage', hint: 'Sources of kind postgres have it.' }),
  )
})
