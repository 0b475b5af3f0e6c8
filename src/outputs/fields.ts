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
