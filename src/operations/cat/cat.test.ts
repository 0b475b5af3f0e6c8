import { describe, expect, it } from 'vitest'
import { MadeNode, TreeRepository } from '../../../test/helpers/tree-repository.ts'
import { collect } from '../../base/collect.ts'
import { AppError } from '../../base/errors.ts'
import type { KeyInfo, LockInfo } from '../../repository/index.ts'
import { catFile } from './cat-file.ts'
import { type CatObjectRequest, catObject, type ObjectKind } from './cat-object.ts'

const { signal } = new AbortController()

describe('cat of a file', () => {
  const repository = new TreeRepository()
  const link = new MadeNode({ type: 'symlink', linkTarget: 'a' })
  const snapshot = repository.snapshot({ a: 'longer than a blob', empty: '', docs: {}, link }, 'app')

  it('gives its bytes and size', async () => {
    const file = await catFile({ repository, snapshot, path: '/a', signal })
    expect(file).toMatchObject({ path: 'a', sizeBytes: 18 })
    expect(Buffer.concat(await collect(file.content)).toString()).toBe('longer than a blob')
    const empty = await catFile({ repository, snapshot, path: 'empty', signal })
    expect(await collect(empty.content)).toEqual([])
  })

  it.each([
    ['docs', 'usage', 'a folder'],
    ['', 'usage', 'a folder'],
    ['link', 'usage', 'a symlink to a'],
    ['gone', 'not-found', 'no gone'],
  ])('refuses %j', async (path, code, message) => {
    await expect(catFile({ repository, snapshot, path, signal })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    })
  })
})

describe('cat of an object', () => {
  const ids = ['ab', 'ac', 'cd'].map(digits => digits.repeat(32))
  const asked: string[] = []
  const keyFile = { created: '2026-01-01T00:00:00Z', kdf: 'scrypt', salt: 'c2FsdA==', data: 'c2VhbGVk' }
  const repository: CatObjectRequest['repository'] = {
    id: ids[2] ?? '',
    loadBlob: (type, id) => {
      asked.push(`${type} ${id}`)
      return Promise.resolve(Buffer.from('blob'))
    },
    loadFile: (type, id) => {
      asked.push(`${type} ${id}`)
      return Promise.resolve(Buffer.from(type === 'key' ? JSON.stringify(keyFile) : '{}'))
    },
    getSnapshot: prefix => Promise.reject(new AppError('snapshot-not-found', `no snapshot ${prefix}`)),
    listKeys: () => Promise.resolve(ids.map(id => ({ id }) as KeyInfo)),
    listLocks: () => Promise.resolve(ids.map(id => ({ id }) as LockInfo)),
  }
  const show = (kind: ObjectKind, id?: string): ReturnType<typeof catObject> => catObject({ repository, kind, id })

  it.each([
    ['config', undefined, `config ${ids[2]}`],
    ['lock', 'cd', `lock ${ids[2]}`],
    ['snapshot', ids[0], `snapshot ${ids[0]}`],
    ['index', ids[0]?.toUpperCase(), `index ${ids[0]}`],
    ['pack', ids[0], `pack ${ids[0]}`],
    ['tree', ids[0], `tree ${ids[0]}`],
    ['blob', ids[0], `data ${ids[0]}`],
  ] as const)('shows %s %s', async (kind, id, expected) => {
    const { isText } = await show(kind, id)
    expect(asked.at(-1)).toBe(expected)
    expect(isText).toBe(kind !== 'pack' && kind !== 'blob')
  })

  it('never shows a key', async () => {
    const { bytes } = await show('key', 'cd')
    expect(JSON.parse(bytes.toString())).toEqual({ ...keyFile, salt: '***', data: '***' })
  })

  it.each([
    ['key', 'a', 'ambiguous-id'],
    ['key', 'ff', 'not-found'],
    ['lock', '', 'not-found'],
    ['index', 'ab', 'usage'],
    ['pack', undefined, 'usage'],
    ['tree', '../../config', 'usage'],
    ['snapshot', '1234', 'snapshot-not-found'],
  ] as const)('refuses %s %s with %s', async (kind, id, code) => {
    await expect(show(kind, id)).rejects.toMatchObject({ code })
  })
})
