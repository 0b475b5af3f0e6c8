import type { Config } from '../config/load.ts'
import { requireName } from '../operations/workspace/names.ts'

/** What the configuration has under that name. `usage` where it has none. */
export function named<T>(
  map: ReadonlyMap<string, T>,
  name: string,
  what: 'source' | 'repository',
  file: Config['file'],
): T {
  requireName([...map.keys()], name, what, file)
  return map.get(name) as T
}
