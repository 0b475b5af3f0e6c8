import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Repository } from '../../repository/index.ts'

export const OBJECT_KINDS = ['config', 'snapshot', 'index', 'key', 'lock', 'tree', 'blob', 'pack'] as const
export type ObjectKind = (typeof OBJECT_KINDS)[number]

export interface CatObjectRequest {
  readonly repository: Pick<Repository, 'loadBlob' | 'loadFile' | 'getSnapshot' | 'listKeys' | 'listLocks' | 'id'>
  readonly kind: ObjectKind
  /** Snapshots, keys and locks by a unique prefix too; nothing for `config`. */
  readonly id: string | undefined
}

export interface RawObject {
  readonly kind: ObjectKind
  readonly id: Id
  /** Decrypted; packs as they are stored. */
  readonly bytes: Buffer
  /** JSON, fit for a terminal. */
  readonly isText: boolean
}

/** An object of the repository as it is, for looking at the format. Never shows a key: those are cut from key files. */
export async function catObject(request: CatObjectRequest): Promise<RawObject> {
  const { repository, kind } = request
  const id = await resolveId(request)
  if (kind === 'tree' || kind === 'blob') {
    const bytes = await repository.loadBlob(kind === 'tree' ? 'tree' : 'data', id)
    return { kind, id, bytes, isText: kind === 'tree' }
  }
  const bytes = await repository.loadFile(kind, id)
  return { kind, id, bytes: kind === 'key' ? withoutSecrets(bytes) : bytes, isText: kind !== 'pack' }
}

async function resolveId({ repository, kind, id }: CatObjectRequest): Promise<Id> {
  if (kind === 'config') return repository.id
  if (id === undefined) {
    throw new AppError('usage', `which ${kind} is not said`, { hint: `Add the id: "lifeboat cat ${kind} ID".` })
  }
  const wanted = id.toLowerCase()
  if (/^[0-9a-f]{64}$/.test(wanted)) return wanted
  if (kind === 'snapshot') return (await repository.getSnapshot(wanted)).id
  if (kind === 'key') return unique(kind, wanted, await repository.listKeys())
  if (kind === 'lock') return unique(kind, wanted, await repository.listLocks())
  throw new AppError('usage', `not an id: ${id}`, { hint: `A ${kind} is named by all 64 hex digits of its id.` })
}

function unique(kind: ObjectKind, prefix: string, all: ReadonlyArray<{ readonly id: Id }>): Id {
  const [first, second] = all.filter(({ id }) => id.startsWith(prefix))
  if (first === undefined || prefix === '') throw new AppError('not-found', `no ${kind} ${prefix}`)
  if (second !== undefined) {
    throw new AppError('ambiguous-id', `several ${kind}s begin with ${prefix}`, {
      hint: 'Write more digits of the id.',
    })
  }
  return first.id
}

/** Who guesses the password needs the salt and the sealed master key; nobody else does. */
function withoutSecrets(bytes: Buffer): Buffer {
  const key: unknown = JSON.parse(bytes.toString('utf8'))
  const shown = typeof key === 'object' && key !== null ? { ...key, data: '***', salt: '***' } : {}
  return Buffer.from(`${JSON.stringify(shown, undefined, 2)}\n`)
}
