import { expect, test } from 'vitest'
import type { DiffResult } from '../../operations/diff/diff.ts'
import { diffText } from './diff.ts'

const NONE = { files: 0, dirs: 0, others: 0, bytes: 0 }
const EQUAL: DiffResult = {
  before: 'a'.repeat(64),
  after: 'b'.repeat(64),
  added: NONE,
  removed: NONE,
  changed: 0,
  metadataChanged: 0,
  newBlobs: { blobs: 0, plainBytes: 0, storedBytes: 0 },
  goneBlobs: { blobs: 0, plainBytes: 0, storedBytes: 0 },
}
const plain = { out: (_style: unknown, text: string): string => text }

test('says that there is no difference, and nothing else', () => {
  expect([...diffText([], EQUAL, plain)].join('')).toBe('No difference.\n')
})

test('counts what differs', () => {
  const result = { ...EQUAL, added: { ...NONE, files: 1, bytes: 3 }, changed: 1 }
  const text = [
    ...diffText(
      [
        { path: 'a', change: 'added', type: 'file', sizeAfter: 3 },
        { path: 'b', change: 'content', type: 'file' },
      ],
      result,
      plain,
    ),
  ].join('')
  expect(text).toBe(
    '+ a\nM b\n1 file (3 B), 0 folders added, 0 files (0 B), 0 folders removed, 1 changed\n' +
      '0 B of the repository only for the later one, 0 B only for the earlier one\n',
  )
})
