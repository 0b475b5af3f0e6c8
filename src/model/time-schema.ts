import { z } from 'zod'

/** A `Date` in the program, text in JSON. */
export const timeSchema = z
  .codec(z.iso.datetime(), z.date(), { decode: text => new Date(text), encode: date => date.toISOString() })
  .describe('UTC, ISO 8601')
