import { contentLength, contentRange, type HttpAnswer, HttpFailure, type HttpHead } from '../clients/http/index.ts'

export interface Range {
  readonly offset: number
  readonly length: number
}

/** The server's own word is that the object ends before the range does. */
export class EndsBefore extends Error {
  override readonly name = 'EndsBefore'
}

/**
 * Does an answer to a request for a range hold that range? Some services answer with status 200 and the range, some with
 * the whole object. Throws `EndsBefore`, and `HttpFailure` for anything else than the range or the whole.
 */
export function requireRange({ status, headers }: HttpHead, { offset, length }: Range): void {
  const given = contentRange(headers)
  if (given === undefined) {
    if (status === 206) throw anotherRange()
    // The whole object: cut out of it once it is here.
    return
  }
  const isCutAtEnd = given.totalBytes !== undefined && given.offset + given.length === given.totalBytes
  if (given.offset === offset && given.length < length && isCutAtEnd) throw new EndsBefore()
  if (given.offset !== offset || given.length !== length) throw anotherRange()
  const bytes = contentLength(headers)
  if (bytes !== undefined && bytes !== length) throw anotherRange()
}

/** A part is no answer to a request for the whole. */
export function requireWhole({ status }: HttpHead): void {
  if (status === 206) throw anotherRange()
}

export function cutOut({ headers, body }: HttpAnswer, { offset, length }: Range): Buffer {
  const isWhole = contentRange(headers) === undefined
  if (isWhole && body.length < offset + length) throw new EndsBefore()
  if (!isWhole && body.length !== length) throw anotherRange()
  return isWhole ? body.subarray(offset, offset + length) : body
}

function anotherRange(): HttpFailure {
  return new HttpFailure('malformed', 'the server answered with another range than it was asked for')
}
