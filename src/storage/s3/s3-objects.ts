import type { Clock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import type { HttpAnswer } from '../../clients/http/index.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListedVersion,
  ObjectClient,
  ObjectHead,
  ObjectHistory,
  ObjectLocks,
  PutOptions,
} from '../../clients/objects/object-client.ts'
import { failureInside, S3Failure } from '../../clients/s3/index.ts'
import { isNotImplemented } from './errors.ts'

/** Objects of a repository on whatever speaks S3: what some services lack or answer wrongly is made up for. */
export class S3Objects implements ObjectClient {
  readonly #client: ObjectClient
  readonly #clock: Pick<Clock, 'now'>
  /** Until the service says that it is not. */
  #isConditionKnown: boolean

  constructor(client: ObjectClient, clock: Pick<Clock, 'now'>, isConditionKnown = true) {
    this.#client = client
    this.#clock = clock
    this.#isConditionKnown = isConditionKnown
  }

  get locks(): ObjectLocks {
    return this.#client.locks
  }

  async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const { ifAbsent = false } = options
    if (ifAbsent && this.#isConditionKnown) {
      try {
        return await this.#client.put(key, parts, options)
      } catch (error) {
        if (!isNotImplemented(error)) throw error
        this.#isConditionKnown = false
      }
    }
    if (ifAbsent && (await this.#client.head(key, options))) {
      throw new S3Failure({ status: 412, code: 'PreconditionFailed', text: 'it is there already' })
    }
    await this.#client.put(key, parts, { ...options, ifAbsent: false })
  }

  async get(key: string, options: GetOptions): Promise<HttpAnswer> {
    const answer = await this.#client.get(key, options)
    // What a repository stores is never XML.
    const failure = failureInside(answer, this.#clock.now())
    if (failure) throw failure
    return answer
  }

  head(key: string, options?: CallOptions): Promise<ObjectHead | undefined> {
    return this.#client.head(key, options)
  }

  remove(key: string, options?: CallOptions): Promise<void> {
    return this.#client.remove(key, options)
  }

  list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    return this.#client.list(prefix, options)
  }

  get history(): ObjectHistory {
    const { history } = this.#client
    return { get: (...call) => history.get(...call), list: (...call) => listVersions(history.list(...call)) }
  }
}

/** R2, for one, has no versions. */
async function* listVersions(versions: AsyncIterable<ListedVersion>): AsyncGenerator<ListedVersion> {
  try {
    yield* versions
  } catch (error) {
    if (!isNotImplemented(error)) throw error
    throw new AppError('unsupported', 'this service keeps no versions of objects', {
      hint: 'What is deleted there is gone. See docs/guide/after-an-attack.md for services that keep it.',
      cause: error,
    })
  }
}
