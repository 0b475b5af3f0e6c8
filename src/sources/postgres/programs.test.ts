import { expect, test } from 'vitest'
import { describePrograms } from './programs.ts'

test('says which PostgreSQL programs serve which servers', () => {
  const programs = (major: number, binDir: string) => ({
    binDir,
    major,
    version: `${major}.1`,
    hasServer: major !== 14,
  })
  expect(describePrograms([programs(16, '/a'), programs(14, '/b'), programs(14, '/c')])).toEqual([
    { name: 'postgresql', isFound: true, message: '/a, 16.1, for servers of version 16 and older' },
    { name: 'postgresql', isFound: true, message: '/b, 14.1, for servers of version 14, clients only' },
    { name: 'postgresql', isFound: true, message: '/c, 14.1, not used, clients only' },
  ])
  expect(describePrograms([])).toMatchObject([{ isFound: false }])
})
