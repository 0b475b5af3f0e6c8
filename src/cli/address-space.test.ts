import { expect, it } from 'vitest'
import { requireAddressSpace } from './address-space.ts'

const limits = (bytes: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax address space         ${bytes.padEnd(20)} unlimited            bytes\n`

it.each(['unlimited', String(2 ** 31)])('goes on with an address space of %s', bytes => {
  expect(() => requireAddressSpace(limits(bytes), 2)).not.toThrow()
})

it('says what ends the trouble where Node would only leave a stack', () => {
  expect(() => requireAddressSpace(limits(String(2 ** 31)), 8)).toThrow('limited to 2.0 GiB')
  try {
    requireAddressSpace(limits('1000000000'), 2)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ hint: expect.stringMatching(/ulimit -v unlimited.*2097152/) })
  }
})

it('asks nothing of systems that tell nothing', () => {
  expect(() => requireAddressSpace('', 64)).not.toThrow()
})
