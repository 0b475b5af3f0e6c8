import { expect, it } from 'vitest'
import { splitGrants } from './mending-roles.ts'

it('takes the statements of an entry apart, whatever is in a name', () => {
  const text = 'REVOKE ALL ON TABLE public."a;b" FROM PUBLIC;\nGRANT SELECT ON TABLE public."a;b" TO "x"";\ny";\n'
  expect(splitGrants(text)).toEqual([
    'REVOKE ALL ON TABLE public."a;b" FROM PUBLIC;',
    'GRANT SELECT ON TABLE public."a;b" TO "x"";\ny";',
  ])
  expect(splitGrants('')).toEqual([])
})
