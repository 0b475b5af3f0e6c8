import { z } from 'zod'
import type { AppError } from '../base/errors.ts'
import { findingSchema } from '../model/finding-schema.ts'
import { timeSchema } from '../model/time-schema.ts'

/** The parts that many outputs share. */

export const id = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('64 hex digits')
export const shortId = z
  .string()
  .regex(/^[0-9a-f]{8}$/)
  .describe('the first 8 of them')
export const time = timeSchema
export const bytes = z.int().min(0)
export const count = z.int().min(0)
export const repositoryName = z
  .string()
  .describe('name of the repository in the configuration, or the URL that named it')
export const absolutePath = z.string().describe('absolute path')

export const findings = z.array(findingSchema)

export const errorOutput = z
  .strictObject({
    error: z.strictObject({
      code: z.string().describe('see errors.md; `bug` for an unexpected one'),
      message: z.string(),
      hint: z.string().nullable().describe('what to do'),
      context: z.record(z.string(), z.unknown()).describe('facts for machines'),
    }),
  })
  .describe('Every failed command prints this instead of its own output, and ends with the exit code of the error.')

export function errorJson({ code, message, hint, context }: AppError): Json<typeof errorOutput> {
  return { error: { code, message, hint: hint ?? null, context } }
}

/** Of several repositories or sources, one that could not be worked on while others could. */
export interface Failed {
  readonly repository: string
  readonly error: AppError
}

export const failed = z
  .array(errorOutput.extend({ repository: repositoryName }))
  .describe('repositories that could not be worked on; the exit code is that of the first')

export function failedJson(failures: readonly Failed[]): Json<typeof failed> {
  return failures.map(({ repository, error }) => ({ repository, ...errorJson(error) }))
}

/** What is printed by a schema: nobody changes it any more. */
export type Json<Schema extends z.ZodType> = Unchanging<z.output<Schema>>

type Unchanging<T> = T extends Date
  ? T
  : T extends ReadonlyArray<infer Item>
    ? ReadonlyArray<Unchanging<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: Unchanging<T[Key]> }
      : T
