import { z } from 'zod'
import { findingSchema } from '../model/finding-schema.ts'

/** The parts that many outputs share. */

export const id = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('64 hex digits')
export const shortId = z
  .string()
  .regex(/^[0-9a-f]{8}$/)
  .describe('the first 8 of them')
export const time = z.iso.datetime().describe('UTC, ISO 8601')
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
