import { afterEach, expect, test, vi } from 'vitest'
import { thisSystem } from './system.ts'

afterEach(() => void vi.restoreAllMocks())

// What Node reports differs where it was built for musl: there is no version of glibc.
test.runIf(process.platform === 'linux').each([
  [{ glibcVersionRuntime: '2.36' }, 'glibc 2.36'],
  [{}, 'musl'],
])('of a report with %j it is %s', (header, library) => {
  vi.spyOn(process.report, 'getReport').mockReturnValue({ header })
  expect(thisSystem()).toBe(`linux ${process.arch} (${library})`)
})
