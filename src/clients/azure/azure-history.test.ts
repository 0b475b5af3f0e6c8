import { expect, test } from 'vitest'
import { collect } from '../../base/collect.ts'
import type { ListedVersion } from '../objects/object-client.ts'
import { AzureHistory } from './azure-history.ts'

const historyOf = (blobs: string, marker = ''): AzureHistory =>
  new AzureHistory(async () => ({
    status: 200,
    headers: {},
    body: Buffer.from(
      `<EnumerationResults><Blobs>${blobs}</Blobs><NextMarker>${marker}</NextMarker></EnumerationResults>`,
    ),
  }))

const blob = (inside: string, properties = ''): string =>
  `<Blob><Name>config</Name>${inside}<Properties><Last-Modified>Mon, 30 Nov 2026 01:00:00 GMT</Last-Modified><Content-Length>3</Content-Length>${properties}</Properties></Blob>`
const version = (time: string): string => `<VersionId>2026-11-30T${time}.1234567Z</VersionId>`
const brief = (versions: readonly ListedVersion[]): string[] =>
  versions.map(({ deleted, softDeleted, at }) => {
    const what = deleted ? 'deleted' : softDeleted ? 'soft' : 'there'
    return `${what} ${at?.toISOString().slice(11, 19)}`
  })

test('a blob that has versions only was deleted at the time that its entry is named by', async () => {
  const gone = blob(`${version('03:00:00')}<HasVersionsOnly>true</HasVersionsOnly>`)
  expect(brief(await collect(historyOf(blob(version('01:00:00')) + gone).list('')))).toEqual([
    'deleted 03:00:00',
    'there 01:00:00',
  ])
})

test('one whose entry is named like its last version was deleted nobody knows when', async () => {
  const gone = blob(`${version('01:00:00')}<HasVersionsOnly>true</HasVersionsOnly>`)
  expect(brief(await collect(historyOf(blob(version('01:00:00')) + gone).list('')))).toEqual([
    'deleted undefined',
    'there 01:00:00',
  ])
})

test('what was deleted softly, without versions, is told with both times', async () => {
  const soft = blob('<Deleted>true</Deleted>', '<DeletedTime>Mon, 30 Nov 2026 05:00:00 GMT</DeletedTime>')
  expect(brief(await collect(historyOf(soft).list('')))).toEqual(['deleted 05:00:00', 'soft 01:00:00'])
})

test('snapshots that somebody made are no versions', async () => {
  const snapshot = blob('<Snapshot>2026-11-30T02:00:00.0000000Z</Snapshot>')
  expect(brief(await collect(historyOf(snapshot + blob('')).list('')))).toEqual(['there 01:00:00'])
})

test.each([
  ['goes round in a circle', historyOf(blob(''), 'same')],
  ['does not say how long a version is', historyOf('<Blob><Name>config</Name></Blob>')],
])('a listing of versions that %s is refused', async (_, history) => {
  await expect(collect(history.list(''))).rejects.toMatchObject({ kind: 'malformed' })
})
