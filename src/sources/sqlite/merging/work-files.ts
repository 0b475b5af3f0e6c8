/**
 * Each `CREATE` makes SQLite read all of its file's schema, so that work tables in one file cost more the more there are: they
 * are spread over several. SQLite attaches ten at most.
 */
export const WORK_FILES = 8

export function workSchema(at: number): string {
  return `work${at % WORK_FILES}`
}
