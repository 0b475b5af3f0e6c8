import { z } from 'zod'
import type { HttpAnswer, HttpRequest } from '../http/index.ts'
import type { CallOptions, GetOptions, ListedVersion, ObjectHistory } from '../objects/object-client.ts'
import { VersionGroups } from '../objects/version-groups.ts'
import { GcsFailure } from './failure.ts'
import { parsed } from './parsed.ts'

const time = z.iso.datetime({ offset: true }).transform(text => new Date(text))
const version = z.object({
  name: z.string(),
  size: z.string().regex(/^\d{1,15}$/),
  generation: z.string().regex(/^\d{1,20}$/),
  timeCreated: time,
  /** When it was overwritten or deleted. */
  timeDeleted: time.optional(),
  softDeleteTime: time.optional(),
})
const page = z.object({ items: z.array(version).default([]), nextPageToken: z.string().min(1).optional() })
type Generation = z.output<typeof version>
type Send = (request: Omit<HttpRequest, 'origin'>) => Promise<HttpAnswer>

/** What takes another's place comes to be when that goes, as far as two times of one server agree. */
const SAME_MS = 1000
const LISTING_BYTES = 16 * 1024 * 1024

/**
 * Generations of the objects of a bucket, and what was deleted softly, which nobody can read before it is restored.
 *
 * @see https://cloud.google.com/storage/docs/json_api/v1/objects/list
 * @see https://cloud.google.com/storage/docs/use-soft-deleted-objects
 */
export class GcsHistory implements ObjectHistory {
  readonly #objects: string
  readonly #send: Send

  /** @param objects the path of the bucket's objects */
  constructor(objects: string, send: Send) {
    this.#objects = objects
    this.#send = send
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<ListedVersion> {
    // Two listings: the service does not give both in one. What was deleted softly is little: seven days at first.
    const soft = new Map<string, Generation[]>()
    for await (const [first, ...more] of this.#softDeleted(prefix, options)) {
      if (first !== undefined) soft.set(first.name, [first, ...more])
    }
    for await (const group of this.#groups(prefix, { versions: 'true' }, options)) {
      const key = group[0]?.key ?? ''
      yield* versionsOf(key, [...group.map(({ item }) => item), ...(soft.get(key) ?? [])])
      soft.delete(key)
    }
    for (const [key, generations] of soft) yield* versionsOf(key, generations)
  }

  async get(key: string, generation: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    const asked = new URLSearchParams({ alt: 'media', generation })
    return await this.#send({
      method: 'GET',
      path: `${this.#objects}/${encodeURIComponent(key)}?${asked}`,
      headers,
      ...options,
    })
  }

  async *#softDeleted(prefix: string, options: CallOptions): AsyncGenerator<Generation[]> {
    try {
      for await (const group of this.#groups(prefix, { softDeleted: 'true' }, options)) {
        yield group.map(({ item }) => item).filter(({ softDeleteTime }) => softDeleteTime !== undefined)
      }
    } catch (error) {
      // Buckets without a policy for it, and emulators, do not know it.
      if (!(error instanceof GcsFailure) || error.status !== 400) throw error
    }
  }

  async *#groups(prefix: string, which: Record<string, string>, { signal }: CallOptions) {
    const groups = new VersionGroups<{ readonly key: string; readonly item: Generation }>(prefix)
    const fields = 'items(name,size,generation,timeCreated,timeDeleted,softDeleteTime),nextPageToken'
    for (let token: string | undefined; ; ) {
      const asked = { prefix, fields, maxResults: '1000', ...which }
      const path = `${this.#objects}?${new URLSearchParams(token === undefined ? asked : { ...asked, pageToken: token })}`
      const answer = await this.#send({ method: 'GET', path, limitBytes: LISTING_BYTES, signal })
      const { items, nextPageToken } = parsed(page, answer)
      yield* groups.take(items.map(item => ({ key: item.name, item })))
      if (nextPageToken === undefined) break
      groups.requireNewPage(nextPageToken)
      token = nextPageToken
    }
    yield* groups.end()
  }
}

/** Newest first. There are no markers: an object was deleted where none follows at the moment in which it went. */
function versionsOf(key: string, generations: readonly Generation[]): ListedVersion[] {
  const oldestFirst = generations.toSorted((a, b) => (BigInt(a.generation) < BigInt(b.generation) ? -1 : 1))
  const versions = oldestFirst.flatMap((each, at): ListedVersion[] => {
    const { generation, size, timeCreated, timeDeleted, softDeleteTime } = each
    const object: ListedVersion = {
      key,
      version: generation,
      at: timeCreated,
      deleted: false,
      sizeBytes: Number(size),
      softDeleted: softDeleteTime !== undefined,
    }
    const goneAt = timeDeleted ?? softDeleteTime
    const next = oldestFirst[at + 1]
    const isFollowed =
      goneAt === undefined || (next !== undefined && Number(next.timeCreated) < Number(goneAt) + SAME_MS)
    return isFollowed
      ? [object]
      : [object, { key, version: '', at: goneAt, deleted: true, sizeBytes: 0, softDeleted: false }]
  })
  return versions.reverse()
}
