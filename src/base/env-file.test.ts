import { expect, test } from 'vitest'
import { parseEnvFile } from './env-file.ts'

test('reads variables as dotenv does', () => {
  const text =
    '\ufeffA=1\r\n# B=2\nexport C = "a \\"b\\" # c\\nd" # note\n  D=\'x $y\'\nE=x#y # z\nF=\nno line\nG="a\nb"\nA1=postgres://u:p@h/d?x=1\n'
  expect(Object.fromEntries(parseEnvFile(text))).toEqual({
    A: '1',
    C: 'a "b" # c\nd',
    D: 'x $y',
    E: 'x#y',
    F: '',
    G: 'a\nb',
    A1: 'postgres://u:p@h/d?x=1',
  })
})
