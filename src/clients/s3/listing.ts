import { HttpFailure } from '../http/index.ts'
import type { ListedObject } from '../objects/object-client.ts'
import { parseXml, textOf, type XmlElement, XmlError } from '../xml/xml.ts'

export interface S3ListedObject extends ListedObject {
  readonly modifiedAt: Date | undefined
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html */
const ARCHIVES: ReadonlySet<string | undefined> = new Set(['GLACIER', 'DEEP_ARCHIVE'])

export const isArchiveClass = (storageClass: string | undefined): boolean => ARCHIVES.has(storageClass)

export interface S3Page {
  readonly objects: readonly S3ListedObject[]
  /** Undefined on the last page. */
  readonly nextToken: string | undefined
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export function parsePage(body: Buffer): S3Page {
  try {
    const root = parseXml(body.toString('utf8'))
    if (root.name !== 'ListBucketResult') throw new XmlError(`it is a ${root.name.slice(0, 40)}`)
    const decode = textOf(root, 'EncodingType') === 'url' ? decodeKey : (key: string): string => key
    const objects = root.children.filter(({ name }) => name === 'Contents').map(each => objectOf(each, decode))
    return { objects, nextToken: tokenOf(root) }
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new HttpFailure('malformed', `a listing cannot be read: ${error.message}`, error)
  }
}

function objectOf(element: XmlElement, decode: (key: string) => string): S3ListedObject {
  const key = textOf(element, 'Key') ?? ''
  const size = textOf(element, 'Size') ?? ''
  if (key === '' || !/^\d{1,15}$/.test(size)) throw new XmlError('an object has no key or no size')
  const modified = Date.parse(textOf(element, 'LastModified') ?? '')
  const storageClass = textOf(element, 'StorageClass')
  return {
    key: decode(key),
    sizeBytes: Number(size),
    modifiedAt: Number.isNaN(modified) ? undefined : new Date(modified),
    storageClass,
    archived: isArchiveClass(storageClass) ? restoreOf(element) : undefined,
  }
}

/** Undefined: a copy that can be read is there, for some days. */
function restoreOf(element: XmlElement): ListedObject['archived'] {
  const status = element.children.find(({ name }) => name === 'RestoreStatus')
  if (status === undefined) return 'archived'
  if (textOf(status, 'IsRestoreInProgress') === 'true') return 'thawing'
  return textOf(status, 'RestoreExpiryDate') === undefined ? 'archived' : undefined
}

function tokenOf(root: XmlElement): string | undefined {
  const isTruncated = textOf(root, 'IsTruncated')
  const token = textOf(root, 'NextContinuationToken') ?? ''
  if (isTruncated === 'false') return undefined
  if (isTruncated !== 'true') throw new XmlError('it does not say whether there is more')
  if (token === '') throw new XmlError('there is more, and it does not say where')
  return token
}

// As forms are encoded: some servers write a space as a plus sign.
export function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    throw new XmlError('a key is not encoded as it should be')
  }
}
