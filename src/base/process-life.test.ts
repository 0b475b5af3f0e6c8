import { spawnSync } from 'node:child_process'
import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { lifeOf, lifeOfNamed, ownerName, processStart, thisProcess } from './process-life.ts'

const me = thisProcess()
const [boot = '', namespaces = '', ticks = ''] = me.start?.split(' ') ?? []
const ended = spawnSync(process.execPath, ['--version']).pid

test('this process lives, and tells its start', () => {
  expect(me).toMatchObject({ hostname: hostname(), pid: process.pid })
  expect(lifeOf(me)).toBe('living')
})

describe('gone is only what is proven', () => {
  test.each([
    ['a process that ended', { pid: ended, start: `${boot} ${namespaces} 5` }],
    ['one whose id is another process’s now', { start: `${boot} ${namespaces} ${Number(ticks) - 1}` }],
  ])('%s', (_name, fields) => {
    expect(lifeOf({ ...me, ...fields })).toBe('gone')
  })

  test.each([
    ['no proof, as in restic’s locks', { pid: ended, start: undefined }],
    ['another host', { hostname: 'elsewhere' }],
    ['another host, and an id that is not ours', { hostname: 'elsewhere', pid: ended }],
    ['another container of this host', { pid: ended, start: `${boot} pid:[1] 5` }],
    ['another container with the same id', { start: `${boot} pid:[1] ${ticks}` }],
    ['another boot, or a host of the same name', { pid: ended, start: `0-0-0 ${namespaces} 5` }],
    ['an empty proof', { pid: ended, start: '' }],
  ])('unknown: %s', (_name, fields) => {
    expect(lifeOf({ ...me, ...fields })).toBe('unknown')
  })
})

test('a process that ended has no start', () => {
  expect(processStart(ended)).toBeUndefined()
})

test('names tell whose they are', () => {
  const own = ownerName()
  const [machine = '', , start = ''] = own.split('-')
  expect(lifeOfNamed(own)).toBe('living')
  expect(lifeOfNamed(`${own}-abcdef`)).toBe('living')
  expect(lifeOfNamed(`${machine}-${ended}-5-abcdef`)).toBe('gone')
  expect(lifeOfNamed(`${machine}-${process.pid}-${Number(start) - 1}-abcdef`)).toBe('gone')
  expect(lifeOfNamed(`${'0'.repeat(16)}-${ended}-5-abcdef`)).toBe('unknown')
  for (const other of ['', 'notes.txt', `${process.pid}-abcdef`, `${machine}-x`]) {
    expect(lifeOfNamed(other)).toBeUndefined()
  }
})
