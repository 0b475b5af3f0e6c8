import { type HttpAnswer, HttpFailure } from '../http/index.ts'
import type { CallOptions, GetOptions, ListedVersion, ObjectHistory } from '../objects/object-client.ts'
import { VersionGroups } from '../objects/version-groups.ts'
import { parseXml, textOf, type XmlElement, XmlError } from '../xml/xml.ts'
import type { AzureCall } from './call.ts'

const LISTING_BYTES = 16 * 1024 * 1024
/** `deletedwithversions`: the blobs that have versions only, with the moment in which they were deleted as their version. */
const INCLUDE = 'deleted,versions,deletedwithversions'

/**
 * Versions of the blobs of a container.
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
 * @see https://learn.microsoft.com/en-us/azure/storage/blobs/versioning-overview
 */
export class AzureHistory implements ObjectHistory {
  readonly #call: (call: AzureCall) => Promise<HttpAnswer>

  constructor(call: (call: AzureCall) => Promise<HttpAnswer>) {
    this.#call = call
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ListedVersion> {
    const groups = new VersionGroups<AzureVersion>(prefix)
    for (let marker = ''; ; ) {
      const query: Array<readonly [string, string]> = [
        ['restype', 'container'],
        ['comp', 'list'],
        ['prefix', prefix],
        ['include', INCLUDE],
        ...(marker === '' ? [] : [['marker', marker] as const]),
      ]
      const answer = await this.#call({ method: 'GET', key: '', query, limitBytes: LISTING_BYTES, signal })
      const page = parsePage(answer.body)
      for (const group of groups.take(page.versions)) yield* versionsOf(group)
      if (page.nextMarker === '') break
      groups.requireNewPage(page.nextMarker)
      marker = page.nextMarker
    }
    for (const group of groups.end()) yield* versionsOf(group)
  }

  async get(key: string, version: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    const query = version === '' ? [] : [['versionid', version] as const]
    return await this.#call({ method: 'GET', key, query, headers, ...options })
  }
}

interface AzureVersion {
  readonly key: string
  readonly version: string
  readonly at: Date
  readonly sizeBytes: number
  /** There are versions of it only: it was deleted. */
  readonly isMarker: boolean
  /** Of what was deleted softly. */
  readonly deletedAt: Date | undefined
}

/** Newest first. A version's name is the time in which it came to be. */
function versionsOf(group: readonly AzureVersion[]): ListedVersion[] {
  const objects = group.filter(({ isMarker }) => !isMarker).toSorted((a, b) => Number(b.at) - Number(a.at))
  const newest = objects[0]
  const marker = group.find(({ isMarker }) => isMarker)
  const versions: ListedVersion[] = objects.map(({ key, version, at, sizeBytes, deletedAt }) => ({
    key,
    version,
    at,
    sizeBytes,
    deleted: false,
    softDeleted: deletedAt !== undefined,
  }))
  // Without versions, a blob that was deleted softly has no marker.
  const isGone = marker !== undefined || (newest?.deletedAt !== undefined && newest.version === '')
  if (!isGone) return versions
  const key = group[0]?.key ?? ''
  const told = marker?.at ?? newest?.deletedAt
  // One that is named like the last version says nothing of when that went.
  const at = told !== undefined && (newest === undefined || told > newest.at) ? told : undefined
  return [{ key, version: '', at, deleted: true, sizeBytes: 0, softDeleted: false }, ...versions]
}

function parsePage(body: Buffer): { versions: AzureVersion[]; nextMarker: string } {
  try {
    const root = parseXml(body.toString('utf8'))
    const list = root.children.find(({ name }) => name === 'Blobs')
    if (root.name !== 'EnumerationResults' || list === undefined)
      throw new XmlError(`it is a ${root.name.slice(0, 40)}`)
    // Snapshots are what somebody made by hand.
    const blobs = list.children.filter(each => each.name === 'Blob' && textOf(each, 'Snapshot') === undefined)
    return { versions: blobs.map(versionOf), nextMarker: textOf(root, 'NextMarker') ?? '' }
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new HttpFailure('malformed', `a listing of versions cannot be read: ${error.message}`, error)
  }
}

function versionOf(element: XmlElement): AzureVersion {
  const key = textOf(element, 'Name') ?? ''
  const version = textOf(element, 'VersionId') ?? ''
  const properties = element.children.find(({ name }) => name === 'Properties')
  const inside = (name: string): string | undefined => properties && textOf(properties, name)
  const isMarker = textOf(element, 'HasVersionsOnly') === 'true'
  const size = isMarker ? '0' : (inside('Content-Length') ?? '')
  const at = timeOf(version) ?? timeOf(inside('Last-Modified') ?? '')
  if (key === '' || at === undefined || !/^\d{1,15}$/.test(size)) {
    throw new XmlError('a version has no name, no time or no size')
  }
  const deletedAt = textOf(element, 'Deleted') === 'true' ? (timeOf(inside('DeletedTime') ?? '') ?? at) : undefined
  return { key, version, at, sizeBytes: Number(size), isMarker, deletedAt }
}

/** Seven digits of a second, of which a `Date` keeps three. */
function timeOf(text: string): Date | undefined {
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? undefined : time
}
