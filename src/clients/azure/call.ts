import type { HttpHead } from '../http/index.ts'
import type { CallOptions } from '../objects/object-client.ts'

/** One request to a container, before it is signed. */
export interface AzureCall extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly key: string
  readonly query?: ReadonlyArray<readonly [name: string, value: string]>
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: readonly Uint8Array[]
  readonly into?: Buffer | undefined
  readonly limitBytes?: number
  readonly onHead?: ((head: HttpHead) => void) | undefined
  readonly repeatable?: boolean
}
