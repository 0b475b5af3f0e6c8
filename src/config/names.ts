import type { ConfigDocument, Problem } from './document.ts'

/** What the configuration has names for: `sources`, `policies`, in the order in which the file explains them. */
type NamedSections = Readonly<Record<string, ReadonlyMap<string, unknown>>>

/**
 * One namespace: on the command line, in runs, reports and hints, a name stands alone, so it must mean one thing. Gives a
 * problem for each later one, at its key.
 */
export function namesTakenTwice(sections: NamedSections, document: Pick<ConfigDocument, 'placeOf'>): Problem[] {
  const taken = new Map<string, string>()
  const problems: Problem[] = []
  for (const [section, named] of Object.entries(sections)) {
    for (const name of named.keys()) {
      const first = taken.get(name)
      if (first === undefined) {
        taken.set(name, section)
        continue
      }
      const { line } = document.placeOf([first, name], 'key')
      problems.push({
        ...document.placeOf([section, name], 'key'),
        key: `${section}.${name}`,
        message: `the name "${name}" is taken: line ${line} has it under ${first}`,
        found: name,
      })
    }
  }
  return problems
}
