import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAttributes, parseAttributes } from './attributes.ts'

/** Any byte but zero, as one character. */
const byte = fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code))
const path = fc.array(byte, { minLength: 1, maxLength: 30 }).map(chars => `/${chars.join('')}`)
const attribute = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter(name => !name.includes('\0')),
  value: fc.uint8Array({ maxLength: 40 }),
})

describe('the form of getfattr and setfattr', () => {
  it('round-trips any path, name and value', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(path, fc.array(attribute, { minLength: 1, maxLength: 3 })), {
          selector: ([of]) => of,
          maxLength: 4,
        }),
        files => {
          const given = new Map(files)
          const found = parseAttributes(formatAttributes(given))
          expect([...found.keys()]).toEqual([...given.keys()])
          for (const [of, list] of given) {
            expect(found.get(of)?.map(({ name, value }) => [name, Buffer.from(value).toString('hex')])).toEqual(
              list.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
            )
          }
        },
      ),
    )
  })

  it('lets no name end its line', () => {
    const name = 'user.x\n# file: /etc/passwd\nuser.y'
    const text = formatAttributes(new Map([['/t/a\n# file: /etc/shadow', [{ name, value: Buffer.from('v') }]]]))
    expect(text.split('\n').filter(line => line.startsWith('# file:'))).toHaveLength(1)
  })

  it('reads what the tool prints', () => {
    const printed = '# file: /d/bs\\134y\nuser.t=0s\n\n# file: /d/nl\\012x\nuser.w\\075e=0sdjE=\n\n'
    const found = parseAttributes(printed)
    expect([...found]).toEqual([
      ['/d/bs\\y', [{ name: 'user.t', value: Buffer.alloc(0) }]],
      ['/d/nl\nx', [{ name: 'user.w=e', value: Buffer.from('v1') }]],
    ])
  })
})
