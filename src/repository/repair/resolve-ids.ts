import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'

/** Full ids of what a person typed, each at least four digits of one that is there. `not-found`, `ambiguous-id`. */
export function resolveIds(typed: readonly string[], all: readonly Id[], what: 'pack' | 'snapshot'): Id[] {
  return [...new Set(typed.map(prefix => resolveId(prefix, all, what)))]
}

function resolveId(prefix: string, all: readonly Id[], what: 'pack' | 'snapshot'): Id {
  const found = /^[0-9a-f]{4,64}$/.test(prefix) ? all.filter(id => id.startsWith(prefix)) : []
  const [id] = found
  if (id !== undefined && found.length === 1) return id
  if (id !== undefined) {
    throw new AppError('ambiguous-id', `several ${what}s begin with ${prefix}`, { hint: 'Give more digits.' })
  }
  throw new AppError('not-found', `there is no ${what} ${prefix}`, {
    hint: `Give at least four digits of its id, or none to repair all ${what}s that need it.`,
  })
}
