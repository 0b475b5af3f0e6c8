import { z } from 'zod'

/** The keys of a `sqlite` source in `lifeboat.yaml`. */
export const sqliteOptions = z.object({
  path: z
    .string()
    .min(1, 'the path of a SQLite database file')
    .transform((value, context) => {
      const path = pathIn(value)
      if (typeof path === 'string') return path
      context.addIssue({ code: 'custom', message: path.problem })
      return z.NEVER
    })
    .describe(
      'The database file. Relative to the folder of `lifeboat.yaml`. A symbolic link is followed. An absolute `file:` URL is understood too; a relative one is not, for only its reader knows what it is relative to (Prisma’s: the folder of `schema.prisma`).',
    ),
})

export type SqliteOptions = z.output<typeof sqliteOptions>

const RELATIVE = {
  problem:
    'a path, such as ./prisma/dev.db: a relative URL is relative to what only its reader knows (Prisma: the folder of schema.prisma)',
}

/**
 * What an application has in its DATABASE_URL may stand in place of a path. Never is a URL taken for the name of a file.
 *
 * @see https://www.sqlite.org/uri.html
 */
function pathIn(value: string): string | { readonly problem: string } {
  const [, scheme = '', rest = ''] = /^(file|sqlite3?|[a-z][a-z0-9+.-]*(?=:\/\/)):(.*)$/is.exec(value) ?? []
  if (value === ':memory:' || /^:memory:|[?&]mode=memory\b/.test(rest)) {
    return { problem: 'the path of a file: a database in memory cannot be read from outside' }
  }
  if (scheme === '') return value
  const path = rest.replace(/[?#].*$/s, '')
  if (scheme.toLowerCase() === 'file') {
    const [absolute] = /(?<=^(?:\/\/(?:localhost)?)?)\/(?!\/).*$/s.exec(path) ?? []
    return absolute === undefined ? RELATIVE : decoded(absolute)
  }
  if (!/^sqlite3?$/i.test(scheme)) return { problem: 'the path of a SQLite database file, not a URL of another kind' }
  // Three slashes begin a relative path for some, an absolute one for others.
  return path.startsWith('////') ? decoded(path.slice(3)) : RELATIVE
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
