import { listPostgresTools, type PostgresTools } from '../../clients/postgres/index.ts'
import type { Program } from '../source.ts'

/** PostgreSQL's programs on this machine: Debian keeps them outside of the PATH. */
export async function findPrograms(environment: Readonly<Record<string, string | undefined>>): Promise<Program[]> {
  return describePrograms(await listPostgresTools(undefined, environment))
}

/** Every version, newest first, and for which servers it is taken. */
export function describePrograms(all: readonly PostgresTools[]): Program[] {
  const name = 'postgresql'
  if (all.length === 0) {
    const hint = 'If you want it: sudo apt-get install postgresql-client.'
    return [{ name, isFound: false, message: 'not found (captures and restores PostgreSQL)', hint }]
  }
  const majors = new Set<number>()
  return all.map(({ binDir, version, major, hasServer }, at) => {
    const taken = majors.has(major) ? 'not used' : `for servers of version ${major}${at === 0 ? ' and older' : ''}`
    majors.add(major)
    return { name, isFound: true, message: `${binDir}, ${version}, ${taken}${hasServer ? '' : ', clients only'}` }
  })
}
