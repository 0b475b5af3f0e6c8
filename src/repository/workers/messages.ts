import type { ErrorCode } from '../../base/error-codes.ts'
import { AppError } from '../../base/errors.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { JobName } from './jobs.ts'

/** Given to a worker at its start. */
export interface WorkerStart {
  readonly keys: KeyMaterial
  readonly version: 1 | 2
}

export interface Request {
  readonly id: number
  readonly name: JobName
  readonly job: unknown
}

export type Reply =
  | { readonly id: number; readonly outcome: unknown }
  | { readonly id: number; readonly error: CarriedError }

/** An error as plain data: a thread's messages lose classes. */
interface CarriedError {
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly hint: string | undefined
  readonly context: Readonly<Record<string, unknown>>
  readonly stack: string | undefined
}

export function packError(error: unknown): CarriedError {
  if (error instanceof AppError) {
    const { code, message, hint, context } = error
    return { code, message, hint, context, stack: undefined }
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  return { code: undefined, message, hint: undefined, context: {}, stack }
}

export function unpackError({ code, message, hint, context, stack }: CarriedError): Error {
  if (code !== undefined) return new AppError(code, message, { context, ...(hint === undefined ? {} : { hint }) })
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
