import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionSettings } from './settings.ts'

/** As libpq: a file that others may read is no place for passwords, and is passed over. */
const OTHERS = 0o077

/**
 * The password that the pass file has for a connection, or undefined.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export async function findInPassFile(settings: ConnectionSettings, database: string): Promise<string | undefined> {
  const path = settings.passFile ?? join(process.env['HOME'] ?? homedir(), '.pgpass')
  try {
    const found = await stat(path)
    if (!found.isFile() || (found.mode & OTHERS) !== 0) return undefined
    return passwordIn(await readFile(path, 'utf8'), settings, database)
  } catch {
    // Not there, or not for us: then there is no password.
    return undefined
  }
}

/** The first line that fits counts. A socket's folder goes by its path, or by `localhost`. */
export function passwordIn(
  text: string,
  { host, port, user }: Pick<ConnectionSettings, 'host' | 'port' | 'user'>,
  database: string,
): string | undefined {
  const wanted = [host.startsWith('/') ? [host, 'localhost'] : [host], [String(port)], [database], [user]]
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue
    const fields = fieldsOf(line)
    if (fields.length < 5) continue
    if (wanted.every((values, i) => fields[i] === '*' || values.includes(fields[i] ?? ''))) return fields[4]
  }
  return undefined
}

/** Fields are separated by `:`; a backslash takes its meaning from the next character. */
function fieldsOf(line: string): string[] {
  const fields = ['']
  for (let at = 0; at < line.length; at++) {
    const last = fields.length - 1
    if (line[at] === ':' && fields.length < 5) fields.push('')
    else {
      if (line[at] === '\\' && at + 1 < line.length) at++
      fields[last] += line[at] ?? ''
    }
  }
  return fields
}
