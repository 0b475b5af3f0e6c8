import { expect, test } from 'vitest'
import { collect } from '../../base/collect.ts'
import type { HttpAnswer } from '../http/index.ts'
import type { S3Call } from './call.ts'
import { S3History } from './s3-history.ts'

const TIME = '2026-11-30T03:12:04.000Z'
const entry = (name: string, key: string, id: string, { at = TIME, latest = false } = {}): string =>
  `<${name}><Key>${key}</Key><VersionId>${id}</VersionId><IsLatest>${latest}</IsLatest><LastModified>${at}</LastModified>${name === 'Version' ? '<Size>3</Size>' : ''}</${name}>`
const page = (entries: string, rest = '<IsTruncated>false</IsTruncated>'): string =>
  `<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rest}${entries}</ListVersionsResult>`

/** Answers with one body after the other; the last one again and again. */
function answering(...bodies: readonly string[]): { readonly history: S3History; readonly calls: S3Call[] } {
  const calls: S3Call[] = []
  const history = new S3History(async call => {
    calls.push(call)
    const body = bodies[Math.min(calls.length, bodies.length) - 1] ?? ''
    return { status: 200, headers: {}, body: Buffer.from(body) } satisfies HttpAnswer
  })
  return { history, calls }
}

test('markers that a service lists apart from versions are put in their place', async () => {
  const { history } = answering(
    page(
      entry('DeleteMarker', 'b', 'm2', { latest: true }) +
        entry('DeleteMarker', 'a', 'm1', { at: '2026-11-30T02:00:00.000Z' }) +
        entry('Version', 'a', 'v2', { latest: true }) +
        entry('Version', 'a', 'v1', { at: '2026-11-30T01:00:00.000Z' }) +
        entry('Version', 'b', 'v3'),
    ),
  )
  const versions = await collect(history.list(''))
  expect(versions.map(({ key, version, deleted }) => `${key} ${deleted ? 'deleted' : version}`)).toEqual([
    'a v2',
    'a deleted',
    'a v1',
    'b deleted',
    'b v3',
  ])
})

test('the next page is asked for by key and version, as the service named them', async () => {
  const more =
    '<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextKeyMarker>a%2Bb</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>'
  const { history, calls } = answering(page(entry('Version', 'a%2Bb', 'v1'), more), page(entry('Version', 'a+b', 'v0')))
  expect((await collect(history.list('a'))).map(({ key, version }) => `${key} ${version}`)).toEqual([
    'a+b v1',
    'a+b v0',
  ])
  expect(calls[1]?.query).toEqual([
    ['versions', ''],
    ['encoding-type', 'url'],
    ['prefix', 'a'],
    ['key-marker', 'a+b'],
    ['version-id-marker', 'v1'],
  ])
})

const SAME_AGAIN = '<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>'

test.each([
  ['goes round in a circle', page(entry('Version', 'a', 'v1'), SAME_AGAIN)],
  ['names what was not asked for', page(entry('Version', 'z', 'v1'))],
  ['does not say when a version came', page(entry('Version', 'a', 'v1', { at: '' }))],
  ['does not say what a version is called', page(entry('Version', 'a', ''))],
  ['does not say whether there is more', page(entry('Version', 'a', 'v1'), '')],
  ['does not say where there is more', page(entry('Version', 'a', 'v1'), '<IsTruncated>true</IsTruncated>')],
  ['is another document', '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'],
  ['is no document', '<ListVersionsResult>'],
])('a listing of versions that %s is refused', async (_, body) => {
  await expect(collect(answering(body).history.list('a'))).rejects.toMatchObject({ kind: 'malformed' })
})
