import type { z } from 'zod'
import { type HttpAnswer, HttpFailure } from '../http/index.ts'

/** What a server answered, held to its shape. */
export function parsed<T>(schema: z.ZodType<T>, { body }: HttpAnswer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')))
  } catch (error) {
    throw new HttpFailure('malformed', 'the answer is not what this API gives', error)
  }
}
