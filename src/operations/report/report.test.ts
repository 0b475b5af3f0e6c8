import { readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { Report } from '../../model/report.ts'
import { parseReport } from '../../model/report-schema.ts'
import { renderReport } from './render.ts'
import { getReport, KEPT_REPORTS, keepReport, listReports } from './report-store.ts'

/** Breaks out of content, of an attribute in either quotes, and of a line on a terminal; and turns the writing. */
const HOSTILE = `</td><script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;\u001b[2J\u202ecod\u0085`

function makeReport(changes: Partial<Report> = {}): Report {
  return {
    title: `restore of ${HOSTILE}`,
    outcome: 'done',
    verdict: `verdict ${HOSTILE}`,
    run: '5b0c9f3e-2d5f-4a8e-93f8-0f4f6fd6e1a1',
    startedAt: new Date('2026-11-24T23:11:05Z'),
    durationMs: 4210,
    facts: [{ name: `fact ${HOSTILE}`, value: `value ${HOSTILE}` }],
    steps: [
      { name: 'restored beside the target', outcome: 'done', durationMs: 3000, bytes: 1024, rows: 1204 },
      { name: `step ${HOSTILE}`, outcome: 'failed', durationMs: 1000, note: `note ${HOSTILE}` },
      { name: 'ran the hook after', outcome: 'skipped', durationMs: 0 },
    ],
    checks: [
      { name: 'rows of users', passed: true, expected: '50', found: '50' },
      { name: `rows of ${HOSTILE}`, passed: false, expected: `expected ${HOSTILE}`, found: `found ${HOSTILE}` },
    ],
    tables: [
      {
        title: `table ${HOSTILE}`,
        columns: [
          { name: `column ${HOSTILE}`, align: 'left' },
          { name: 'rows', align: 'right' },
        ],
        rows: [[`cell ${HOSTILE}`, '3']],
      },
    ],
    findings: (['info', 'warning', 'error'] as const).map(severity => ({
      severity,
      code: 'code',
      subject: `subject ${HOSTILE}`,
      message: `message ${HOSTILE}`,
      hint: `hint ${HOSTILE}`,
    })),
    next: [{ command: `lifeboat undo ${HOSTILE}`, explains: `explains ${HOSTILE}` }],
    ...changes,
  }
}

it('keeps values from becoming markup', () => {
  const page = renderReport(makeReport(), 'html')
  const tags = [...page.matchAll(/<([a-zA-Z!/][^\s>]*)/g)].map(([, tag = '']) => tag.toLowerCase())
  expect(tags).not.toContain('script')
  expect(tags).not.toContain('img')
  // Every tag that the values could have opened is one of the page's own: the same report without them has as many.
  const harmless = JSON.parse(JSON.stringify(makeReport()).replaceAll(JSON.stringify(HOSTILE).slice(1, -1), 'x'))
  const plainPage = renderReport({ ...harmless, startedAt: new Date(harmless.startedAt) }, 'html')
  expect(tags).toHaveLength([...plainPage.matchAll(/<([a-zA-Z!/][^\s>]*)/g)].length)
  expect(page.match(/"/g)).toHaveLength(plainPage.match(/"/g)?.length ?? 0)
  expect(page).toContain('&lt;script&gt;alert(1)')
})

it('asks for nothing from anywhere and runs nothing', () => {
  const page = renderReport(makeReport({ title: 'restore of app' }), 'html')
  const own = page.replace(/<style>[\s\S]*?<\/style>/, '')
  expect(page).toContain("default-src 'none'")
  expect(page).not.toMatch(/url\(|@import/)
  expect(own.replace(/&[a-z#0-9]+;/g, '')).not.toMatch(/<[^>]*\s(src|href|on[a-z]+)\s*=/i)
})

it('leaves no control character to a terminal or a reader', () => {
  for (const format of ['html', 'txt'] as const) {
    // oxlint-disable-next-line no-control-regex -- these are what must not be there
    expect(renderReport(makeReport(), format)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  }
  expect(renderReport(makeReport(), 'txt')).toContain(String.raw`\x1b[2J\u202ecod\x85`)
})

it('says in text what was done, what failed and what to type', () => {
  const text = renderReport(
    makeReport({
      title: 'verify of app',
      outcome: 'failed',
      verdict: 'app does not come back as it was captured',
      facts: [{ name: 'source', value: 'app' }],
      steps: [{ name: 'read all of it', outcome: 'done', durationMs: 3000, bytes: 1024, rows: 1204 }],
      checks: [
        { name: 'integrity_check', passed: true, expected: 'ok', found: 'ok' },
        { name: 'rows of a', passed: true, expected: '1', found: '1' },
        { name: 'rows of b', passed: true, expected: '1', found: '1' },
        { name: 'rows of users', passed: false, expected: '50', found: '48' },
      ],
      tables: [],
      findings: [],
      next: [{ command: 'lifeboat check --read-data', explains: 'shows what is damaged' }],
    }),
    'txt',
  )
  expect(text.replace(/2026-\S+ \S+ [^,]+/, 'TIME')).toBe(`Verify of app: Failed
  app does not come back as it was captured.
  TIME, 4.2 s, run 5b0c9f3e-2d5f-4a8e-93f8-0f4f6fd6e1a1

  source  app

Steps
  done     read all of it  3.0 s  1,204 rows, 1.0 KiB

Checks: 1 of 4 checks failed
  failed  rows of users: expected 50, found 48
  passed  integrity_check, rows of 2 tables

Next
  lifeboat check --read-data  shows what is damaged
`)
})

it('is read back from JSON as it was', () => {
  expect(parseReport(renderReport(makeReport(), 'json'))).toEqual(makeReport())
  expect(parseReport('{')).toBeUndefined()
  expect(parseReport('{"title":"x"}')).toBeUndefined()
})

it('keeps the newest, private, and finds them by the first digits of the run', async () => {
  const folder = join(makeTempDir(), 'reports')
  await expect(getReport(folder, undefined)).rejects.toMatchObject({ code: 'not-found' })
  const ids = Array.from({ length: KEPT_REPORTS + 2 }, (_, at) => `${String(at).padStart(4, '0')}-run`)
  await keepReport(folder, makeReport({ run: ids[0] ?? '' }))
  for (const [at, run] of ids.slice(0, -1).entries()) {
    const path = join(folder, `${run}.json`)
    await writeFile(path, renderReport(makeReport({ run }), 'json'))
    await utimes(path, at, at)
  }
  await keepReport(folder, makeReport({ run: ids.at(-1) ?? '' }))
  const kept = await readdir(folder)
  expect(kept.toSorted()).toEqual(ids.slice(2).map(run => `${run}.json`))
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, `${ids.at(-1)}.json`))).mode & 0o777).toBe(0o600)
  expect((await getReport(folder, undefined)).run).toBe(ids.at(-1))
  expect((await getReport(folder, '0017')).run).toBe('0017-run')
  await expect(getReport(folder, '00')).rejects.toMatchObject({ code: 'ambiguous-id' })
  await expect(getReport(folder, '../')).rejects.toMatchObject({ code: 'not-found' })
})

it('passes over a file that is no report in the list, and names it when it is meant', async () => {
  const folder = join(makeTempDir(), 'reports')
  await keepReport(folder, makeReport({ run: 'one' }))
  await writeFile(join(folder, 'two.json'), '{')
  expect((await listReports(folder)).map(({ run }) => run)).toEqual(['one'])
  await expect(getReport(folder, 'two')).rejects.toMatchObject({ code: 'failed' })
})
