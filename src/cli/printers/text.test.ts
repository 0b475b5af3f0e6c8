import { expect, test } from 'vitest'
import type { Finding } from '../../model/finding.ts'
import { formatFindings, formatTable } from './text.ts'

const plain = (_style: unknown, text: string): string => text

test('columns are as wide as their widest cell, numbers to the right', () => {
  const columns = [
    { title: 'NAME', value: (row: [string, string]) => row[0] },
    { title: 'SIZE', value: (row: [string, string]) => row[1], right: true },
  ]
  expect(
    formatTable(
      columns,
      [
        ['a', '1 B'],
        ['longer', '10.0 KiB'],
      ],
      plain,
    ),
  ).toBe('NAME        SIZE\na            1 B\nlonger  10.0 KiB\n')
})

const finding = (severity: Finding['severity'], subject: string): Finding => ({
  severity,
  code: `${severity}-code`,
  subject,
  message: `${subject} is odd`,
})

const many = (severity: Finding['severity']) => Array.from({ length: 9 }, (_, at) => finding(severity, `file ${at}`))

test('of many findings alike a few are shown, of errors all', () => {
  expect(formatFindings(many('info'), plain)).toBe(
    'info: file 0 is odd\ninfo: file 1 is odd\ninfo: file 2 is odd\n  and 6 more of this kind; --json lists them\n',
  )
  expect(formatFindings(many('error'), plain).split('\n')).toHaveLength(10)
})
