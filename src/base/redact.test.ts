import fc from 'fast-check'
import { expect, test } from 'vitest'
import { redactSecret } from './redact.ts'

test.each([
  ['a', 'cannot read database "data"', 'cannot read database "data"'],
  ['base', 'cannot read database base', 'cannot read database base'],
  ['base', 'postgres://u:base@database/base', 'postgres://u:***@database/base'],
  ['base', 'host=h password=base dbname=database', 'host=h password=*** dbname=database'],
  ['hunter2x', 'hunter2x is wrong, hunter2xy is not it, "hunter2x"', '*** is wrong, hunter2xy is not it, "***"'],
  ['p@ss/w(rd', 'postgres://u:p%40ss%2Fw(rd@h/d and p@ss/w(rd', 'postgres://u:***@h/d and ***'],
  ['$& $1', 'it says $& $1.', 'it says $& $1.'],
  ['', 'nothing', 'nothing'],
])('%s in %s', (secret, text, shown) => expect(redactSecret(text, secret)).toBe(shown))

test('a secret of any characters is taken for those characters', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, unit: 'grapheme-ascii' }), secret => {
      expect(redactSecret(`it is "${secret}".`, secret)).toBe('it is "***".')
    }),
  )
})
