import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface KeptVersion {
  readonly key: string
  readonly id: string
  readonly at: Date
  /** Undefined: the object was deleted. */
  readonly body: Buffer | undefined
}

/** A bucket that keeps every version, with right times: the emulators have none, or wrong ones. */
export class VersionedBucket {
  readonly #versions = new Map<string, KeptVersion[]>()
  readonly #now: () => Date
  #count = 0
  /** How many entries a page of a listing has. */
  pageLength = 1000

  constructor(now: () => Date) {
    this.#now = now
  }

  put(key: string, body: Buffer): KeptVersion {
    return this.#add(key, body)
  }

  remove(key: string): KeptVersion {
    return this.#add(key, undefined)
  }

  /** The current one, or the one of that id. Undefined where there is none, or it was deleted. */
  get(key: string, id?: string): Buffer | undefined {
    const versions = this.#versions.get(key) ?? []
    return (id === undefined ? versions.at(-1) : versions.find(each => each.id === id))?.body
  }

  newest(key: string): KeptVersion | undefined {
    return this.#versions.get(key)?.at(-1)
  }

  /** Of every key below the prefix, in order: its versions, oldest first. */
  keys(prefix: string): ReadonlyArray<readonly [key: string, versions: readonly KeptVersion[]]> {
    const found = [...this.#versions].filter(([key]) => key.startsWith(prefix))
    return found.toSorted(([a], [b]) => Buffer.from(a).compare(Buffer.from(b)))
  }

  /** Entries of a listing from a position on, and the position of the next page. */
  page<T>(
    entries: readonly T[],
    token: string | null,
  ): { readonly items: readonly T[]; readonly next: string | undefined } {
    const from = token === null || token === '' ? 0 : Number(token)
    const next = from + this.pageLength
    return { items: entries.slice(from, next), next: next < entries.length ? String(next) : undefined }
  }

  #add(key: string, body: Buffer | undefined): KeptVersion {
    const version = { key, id: `v${String(++this.#count).padStart(9, '0')}`, at: this.#now(), body }
    const versions = this.#versions.get(key)
    if (versions) versions.push(version)
    else this.#versions.set(key, [version])
    return version
  }
}

export interface BucketServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  readonly bucket: VersionedBucket
  close(): void
}

export interface BucketRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly respond: (status: number, body?: Buffer | string, headers?: Record<string, string>) => void
}

/** A server of one bucket, on a free port of this machine. It believes every signature. */
export async function serveBucket(
  bucket: VersionedBucket,
  handle: (bucket: VersionedBucket, request: BucketRequest) => void,
): Promise<BucketServer> {
  const server = createServer((incoming, response) => {
    void answer(incoming, response, request => handle(bucket, request))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handle: (request: BucketRequest) => void) {
  const parts: Buffer[] = []
  try {
    for await (const part of incoming) parts.push(part as Buffer)
  } catch {
    return
  }
  const method = incoming.method ?? 'GET'
  handle({
    method,
    url: new URL(incoming.url ?? '/', 'http://127.0.0.1'),
    headers: incoming.headers,
    body: Buffer.concat(parts),
    respond: (status, body = '', headers = {}) => {
      const bytes = Buffer.from(body)
      response.writeHead(status, { 'content-length': bytes.length, ...headers })
      response.end(method === 'HEAD' || status === 204 ? undefined : bytes)
    },
  })
}

/** Answers with an object, or the range of it that was asked for. */
export function sendObject({ headers, respond }: BucketRequest, body: Buffer, more: Record<string, string> = {}): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? headers['x-ms-range']?.toString() ?? '') ?? []
  if (first === undefined) return respond(200, body, more)
  if (Number(first) >= body.length) return respond(416)
  const part = body.subarray(Number(first), Number(last) + 1)
  const range = `bytes ${first}-${Number(first) + part.length - 1}/${body.length}`
  respond(206, part, { ...more, 'content-range': range })
}
