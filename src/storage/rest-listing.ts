import { HttpFailure } from '../clients/http/index.ts'

export interface ListedFile {
  readonly name: string
  readonly size: number
}

const NAME = /^[0-9a-f]{64}$/

/** What a server lists of one kind of files. Throws `malformed` for anything else; names of other files are passed over. */
export function filesIn(body: Buffer): ListedFile[] {
  const listed = parse(body)
  if (!Array.isArray(listed)) throw malformed()
  return listed.flatMap((each: unknown) => {
    if (typeof each !== 'object' || each === null || !('name' in each && 'size' in each)) throw malformed()
    const { name, size } = each
    if (typeof name !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw malformed()
    }
    return NAME.test(name) ? [{ name, size }] : []
  })
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw malformed()
  }
}

function malformed(): HttpFailure {
  return new HttpFailure('malformed', 'the list that the server sent cannot be read')
}
