import type { DatabaseSync } from 'node:sqlite'
import { isUnevaluable } from './integrity.ts'

/**
 * Runs statements that make an empty schema, also where they name functions and collations that only the application has:
 * without rows nothing is computed or compared.
 */
export function runSchema(db: DatabaseSync, sql: string): void {
  const collations = new Set<string>()
  const within = db.isTransaction
  for (;;) {
    try {
      db.exec(withBinary(sql, collations))
      break
    } catch (error) {
      if (db.isTransaction && !within) db.exec('ROLLBACK')
      const message = error instanceof Error ? error.message : ''
      const collation = /^no such collation sequence: (.+)$/.exec(message)?.[1]?.toLowerCase()
      if (collation !== undefined && !collations.has(collation)) collations.add(collation)
      else if (!standIn(db, message)) throw error
    }
  }
  if (collations.size === 0) return
  db.exec('PRAGMA writable_schema = ON')
  for (const row of db.prepare(`SELECT rowid, sql FROM main.sqlite_schema WHERE sql LIKE '%${MARK}%'`).all()) {
    const original = String(row['sql']).replaceAll(MARKED, '$1')
    db.prepare('UPDATE main.sqlite_schema SET sql = ? WHERE rowid = ?').run(original, row['rowid'] ?? null)
  }
  // From here on SQLite refuses rows that it would put in the wrong order.
  db.exec('PRAGMA writable_schema = RESET')
}

/** Registers a function that the message misses; it fails when it is called. False when none is missed. */
function standIn(db: DatabaseSync, message: string): boolean {
  const name = /^(?:no such|unknown) function: (\w+)/.exec(message)?.[1]
  if (name === undefined) return false
  db.function(name, { varargs: true, deterministic: true }, () => {
    throw new Error(`${ONLY_THERE} the function ${name}()`)
  })
  return true
}

const ONLY_THERE = 'only the application has'

/** The statement needs a function or a collation that only the application has. */
export function needsApplication(error: unknown): boolean {
  return isUnevaluable(error) || (error instanceof Error && error.message.startsWith(ONLY_THERE))
}

const MARK = 'BINARY /* was'
const MARKED = /BINARY \/\* was (.*?) \*\//g

function withBinary(sql: string, collations: ReadonlySet<string>): string {
  if (collations.size === 0) return sql
  return sql.replaceAll(/\bCOLLATE\s+("[^"]+"|'[^']+'|`[^`]+`|\[[^\]]+\]|\w+)/gi, (whole, name: string) =>
    collations.has(name.replace(/^["'`[]|["'`\]]$/g, '').toLowerCase()) ? `COLLATE ${MARK} ${name} */` : whole,
  )
}
