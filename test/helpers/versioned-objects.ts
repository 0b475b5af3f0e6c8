import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Lock {
  readonly mode: 'locked' | 'unlocked'
  readonly until: Date
}

export interface Version {
  readonly id: string
  readonly content: Buffer
  readonly storedAt: Date
  lock: Lock | undefined
}

/**
 * Objects with versions that can be locked, as Azure and Google document theirs: no emulator enforces locks. What is removed
 * or replaced becomes an old version; what is locked is not destroyed before its time.
 */
export class VersionedObjects {
  now: () => Date = () => new Date()
  readonly #versions = new Map<string, Version[]>()
  /** Keys whose newest version is in sight. */
  readonly #live = new Set<string>()
  #count = 1

  find(key: string): Version | undefined {
    return this.#live.has(key) ? this.#versions.get(key)?.at(-1) : undefined
  }

  put(key: string, content: Buffer, lock: Lock | undefined): Version {
    const version = { id: String(this.#count++), content, storedAt: this.now(), lock }
    this.#versions.set(key, [...(this.#versions.get(key) ?? []), version])
    this.#live.add(key)
    return version
  }

  hide(key: string): void {
    this.#live.delete(key)
  }

  /** False where a lock refuses it. */
  destroy(key: string, id: string): boolean {
    const versions = this.#versions.get(key) ?? []
    const version = versions.find(each => each.id === id)
    if (version && this.isLocked(version)) return false
    if (versions.at(-1) === version) this.#live.delete(key)
    this.#versions.set(
      key,
      versions.filter(each => each !== version),
    )
    return true
  }

  /** False where what is there may not be made shorter, or not without more rights. */
  relock(version: Version, lock: Lock | undefined, mayEnd: boolean): boolean {
    const { lock: old } = version
    const isShorter = old && this.isLocked(version) && (!lock || lock.until < old.until || lock.mode !== old.mode)
    const isUpgrade = old?.mode === 'unlocked' && lock?.mode === 'locked' && lock.until >= old.until
    if (isShorter && !isUpgrade && (old.mode === 'locked' || !mayEnd)) return false
    version.lock = lock
    return true
  }

  isLocked({ lock }: Version): boolean {
    return lock !== undefined && lock.until > this.now()
  }

  /** In sight. */
  keys(prefix: string): string[] {
    return [...this.#live].filter(key => key.startsWith(prefix)).sort()
  }

  /** All there is, whether in sight or not. */
  all(): Array<{ readonly key: string; readonly version: Version }> {
    return [...this.#versions].flatMap(([key, versions]) => versions.map(version => ({ key, version })))
  }
}

export interface ObjectsServer {
  readonly origin: string
  readonly objects: VersionedObjects
  close(): Promise<void>
}

export async function serveObjects(
  handle: (objects: VersionedObjects, request: IncomingMessage, url: URL, body: Buffer) => Answer,
): Promise<ObjectsServer> {
  const objects = new VersionedObjects()
  const listener: RequestListener = (request, response) => {
    const answer = async (): Promise<void> => {
      const url = new URL(request.url ?? '/', 'http://x')
      send(request, response, handle(objects, request, url, await collect(request)))
    }
    void answer()
  }
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body = '' }: Answer): void {
  const whole = Buffer.from(body)
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const isPart = first !== undefined && status === 200
  const part = isPart ? whole.subarray(Number(first), Number(last) + 1) : whole
  const range = isPart ? { 'content-range': `bytes ${first}-${Number(first) + part.length - 1}/${whole.length}` } : {}
  response.writeHead(isPart ? 206 : status, { 'content-length': String(part.length), ...range, ...headers })
  response.end(request.method === 'HEAD' ? undefined : part)
}

async function collect(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
