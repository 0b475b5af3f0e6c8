import { type HttpAnswer, HttpFailure } from '../http/index.ts'
import type { CallOptions, GetOptions, ListedVersion, ObjectHistory } from '../objects/object-client.ts'
import { VersionGroups } from '../objects/version-groups.ts'
import { parseXml, textOf, type XmlElement, XmlError } from '../xml/xml.ts'
import type { S3Call } from './call.ts'
import { decodeKey } from './listing.ts'
import type { QueryParameter } from './sign.ts'

const LISTING_BYTES = 16 * 1024 * 1024

/**
 * Versions and delete markers of a bucket.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 */
export class S3History implements ObjectHistory {
  readonly #call: (call: S3Call) => Promise<HttpAnswer>

  constructor(call: (call: S3Call) => Promise<HttpAnswer>) {
    this.#call = call
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ListedVersion> {
    const groups = new VersionGroups<S3Version>(prefix)
    for (let next: readonly QueryParameter[] = []; ; ) {
      const query: QueryParameter[] = [['versions', ''], ['encoding-type', 'url'], ['prefix', prefix], ...next]
      const page = parsePage(
        (await this.#call({ method: 'GET', key: '', query, limitBytes: LISTING_BYTES, signal })).body,
      )
      for (const group of groups.take(page.versions)) yield* newestFirst(group)
      if (page.next === undefined) break
      groups.requireNewPage(page.next.map(([, value]) => value).join('\0'))
      next = page.next
    }
    for (const group of groups.end()) yield* newestFirst(group)
  }

  async get(key: string, version: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    const query: QueryParameter[] = version === '' ? [] : [['versionId', version]]
    return await this.#call({ method: 'GET', key, query, ...(headers ? { headers } : {}), ...options })
  }
}

interface S3Version extends Omit<ListedVersion, 'softDeleted'> {
  readonly isLatest: boolean
}

/** Some services list markers apart. Times count whole seconds, so what is equal stays as the service put it. */
function newestFirst(group: readonly S3Version[]): ListedVersion[] {
  const sorted = group.toSorted(
    (a, b) => Number(b.isLatest) - Number(a.isLatest) || (b.at?.getTime() ?? 0) - (a.at?.getTime() ?? 0),
  )
  return sorted.map(({ key, version, at, deleted, sizeBytes }) => ({
    key,
    version,
    at,
    deleted,
    sizeBytes,
    softDeleted: false,
  }))
}

interface VersionPage {
  readonly versions: readonly S3Version[]
  /** How to ask for the next one; undefined on the last. */
  readonly next: readonly QueryParameter[] | undefined
}

function parsePage(body: Buffer): VersionPage {
  try {
    const root = parseXml(body.toString('utf8'))
    if (root.name !== 'ListVersionsResult') throw new XmlError(`it is a ${root.name.slice(0, 40)}`)
    const decode = textOf(root, 'EncodingType') === 'url' ? decodeKey : (key: string): string => key
    const versions = root.children
      .filter(({ name }) => name === 'Version' || name === 'DeleteMarker')
      .map(each => versionOf(each, decode))
    return { versions, next: nextOf(root, decode) }
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new HttpFailure('malformed', `a listing of versions cannot be read: ${error.message}`, error)
  }
}

function versionOf(element: XmlElement, decode: (key: string) => string): S3Version {
  const key = textOf(element, 'Key') ?? ''
  const deleted = element.name === 'DeleteMarker'
  const size = deleted ? '0' : (textOf(element, 'Size') ?? '')
  const version = textOf(element, 'VersionId') ?? ''
  const at = new Date(textOf(element, 'LastModified') ?? Number.NaN)
  // Of what has no time nobody can say what was there when.
  if (key === '' || version === '' || Number.isNaN(at.getTime()) || !/^\d{1,15}$/.test(size)) {
    throw new XmlError('a version has no key, no id, no time or no size')
  }
  return {
    key: decode(key),
    version: deleted ? '' : version,
    at,
    deleted,
    sizeBytes: Number(size),
    isLatest: textOf(element, 'IsLatest') === 'true',
  }
}

function nextOf(root: XmlElement, decode: (key: string) => string): readonly QueryParameter[] | undefined {
  const isTruncated = textOf(root, 'IsTruncated')
  if (isTruncated === 'false') return undefined
  if (isTruncated !== 'true') throw new XmlError('it does not say whether there is more')
  const key = textOf(root, 'NextKeyMarker') ?? ''
  if (key === '') throw new XmlError('there is more, and it does not say where')
  const version = textOf(root, 'NextVersionIdMarker') ?? ''
  const marker: QueryParameter = ['key-marker', decode(key)]
  return version === '' ? [marker] : [marker, ['version-id-marker', version]]
}
