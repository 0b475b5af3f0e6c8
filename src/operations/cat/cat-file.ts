import { AppError } from '../../base/errors.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { resolvePath } from '../browse/resolve-path.ts'

export interface CatFileRequest {
  readonly repository: Pick<Repository, 'loadTree' | 'readContent'>
  readonly snapshot: Snapshot
  readonly path: string
  readonly signal: AbortSignal
}

export interface FileBytes {
  readonly path: string
  readonly sizeBytes: number
  /** From start to end, each block checked. Iterate once. */
  readonly content: AsyncIterable<Buffer>
}

/** One file of a snapshot. `not-found` when there is none of that path, `usage` when it is something else. */
export async function catFile(request: CatFileRequest): Promise<FileBytes> {
  const { path, node } = await resolvePath(request.repository, request.snapshot, request.path)
  if (node.type !== 'file') throw notAFile(request, node.type, node.linkTarget)
  return {
    path,
    sizeBytes: node.sizeBytes ?? 0,
    content: request.repository.readContent(node.content ?? [], request.signal),
  }
}

function notAFile({ snapshot, path }: CatFileRequest, type: string, linkTarget: string | undefined): AppError {
  const id = snapshot.id.slice(0, 8)
  if (type === 'symlink') {
    return new AppError('usage', `${path} in snapshot ${id} is a symlink to ${linkTarget ?? 'nothing'}`, {
      hint: 'Name the file that it points to.',
    })
  }
  const what = type === 'dir' ? 'a folder' : `a ${type}`
  return new AppError('usage', `${path === '' ? 'the root' : path} of snapshot ${id} is ${what}, not a file`, {
    hint: `Run "lifeboat ls ${id} ${path}" to see what is there.`,
  })
}
