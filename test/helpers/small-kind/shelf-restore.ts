import { AppError, isAppError, messageOf, throwIfAborted } from '../../../src/base/errors.ts'
import type { RestoreOutcome, RestoreRequest, Source } from '../../../src/sources/source.ts'
import { Shelf } from './shelf.ts'

export const shelfTargets: Source['targets'] = {
  survey: async ({ target }) => {
    const values = await new Shelf(target).read()
    return { place: target, exists: values !== undefined, files: values?.size, findings: [] }
  },
  remove: async ({ target }) => await new Shelf(target).remove(),
}

/** Key by key, those alone that differ. */
export async function restoreShelf(request: RestoreRequest): Promise<RestoreOutcome> {
  const { target, signal } = request
  throwIfAborted(signal)
  try {
    const shelf = new Shelf(target)
    const there = await shelf.read()
    if (there !== undefined && !request.force) {
      throw new AppError('target-exists', `${target} exists`, { hint: 'Add --yes.' })
    }
    const { wanted, totalBytes } = await readSnapshot(request)
    await request.beforeChange?.({ places: [target] })
    if (there === undefined) await shelf.create()
    const writtenBytes = await writeDifferences(shelf, there ?? new Map(), wanted, signal)
    const found = (await shelf.read())?.size ?? 0
    const checks = [
      { name: 'keys', passed: found === wanted.size, expected: String(wanted.size), found: String(found) },
      ...((await request.onRestored?.({ path: target })) ?? []),
    ]
    return { target, files: wanted.size, totalBytes, writtenBytes, checks, findings: [] }
  } catch (error) {
    if (isAppError(error)) throw error
    throw new AppError('target-invalid', `cannot write the shelf ${target}: ${messageOf(error)}`, { cause: error })
  }
}

async function readSnapshot({ snapshot }: RestoreRequest) {
  const wanted = new Map<string, string>()
  let totalBytes = 0
  for await (const { path, node } of snapshot.entries()) {
    const parts: Buffer[] = []
    for await (const part of snapshot.read(node)) parts.push(part)
    const value = Buffer.concat(parts)
    totalBytes += value.length
    wanted.set(decodeURIComponent(path), value.toString('utf8'))
  }
  return { wanted, totalBytes }
}

async function writeDifferences(
  shelf: Shelf,
  there: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<number> {
  let writtenBytes = 0
  for (const [key, value] of wanted) {
    throwIfAborted(signal)
    if (there.get(key) === value) continue
    await shelf.put(key, value)
    writtenBytes += Buffer.byteLength(value)
  }
  for (const key of there.keys()) if (!wanted.has(key)) await shelf.delete(key)
  return writtenBytes
}
