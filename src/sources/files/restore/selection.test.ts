import { expect, it } from 'vitest'
import { Selection } from './selection.ts'

it.each([
  ['docs', 'docs', true],
  ['docs', 'docs/a/b', true],
  ['./docs/a/', 'docs/a', true],
  ['docs/a', 'docs/ab', false],
  ['docs/a', 'docs', false],
  ['caf\\xe9', 'caf\udce9/menu', true],
  ['caf\ufffd/menu', 'caf\udce9/menu', true],
  ['caf\udce9', 'caf\udce9', true],
  ['caf\\xe9', 'caf\u00e9', false],
])('%j takes %j: %j', (include, path, taken) => {
  const selection = new Selection([include])
  expect(selection.has(path)).toBe(taken)
  expect(selection.missing()).toHaveLength(taken ? 0 : 1)
})

it('takes all where nothing, or the top, is named', () => {
  for (const include of [[], ['a', './']]) expect(new Selection(include).has('x')).toBe(true)
})
