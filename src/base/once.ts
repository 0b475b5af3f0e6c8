/** One attempt for all callers; a failed one may be repeated. */
export function once<T>(map: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const known = map.get(name)
  if (known) return known
  const made = make().catch((error: unknown) => {
    if (map.get(name) === made) map.delete(name)
    throw error
  })
  map.set(name, made)
  return made
}
