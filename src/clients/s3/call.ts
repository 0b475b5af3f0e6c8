import type { HttpHead } from '../http/index.ts'
import type { CallOptions } from '../objects/object-client.ts'
import type { QueryParameter } from './sign.ts'

/** One request to a bucket, before it is signed. */
export interface S3Call extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly key: string
  readonly query?: readonly QueryParameter[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  /** Default: computed. */
  readonly bodySha256?: string | undefined
  readonly into?: Buffer | undefined
  readonly limitBytes?: number
  readonly onHead?: ((head: HttpHead) => void) | undefined
  readonly repeatable?: boolean
}
