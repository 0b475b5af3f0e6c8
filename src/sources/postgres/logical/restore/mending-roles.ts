import { AppError } from '../../../../base/errors.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import { missingRoles, ungrantableOwners } from '../roles.ts'
import { rolesIn } from '../sql-text.ts'

/** As pg_restore writes it, after what made the object. */
const GIVES_AWAY = /\n\s*ALTER [^\n]* OWNER TO [^\n]*;\s*$/
/** In grants only names are quoted. */
const STATEMENT = /(?:"(?:[^"]|"")*"|[^;"])+;/g

/** Owners and grants, one by one: a role that the server lacks costs what it had, and nobody else anything. */
export class MendingRoles {
  readonly #open: () => Promise<Session>
  readonly #lacking = new Set<string>()
  readonly #givable = new Map<string, boolean>()

  constructor(open: () => Promise<Session>) {
    this.#open = open
  }

  get lacking(): string[] {
    return [...this.#lacking].toSorted()
  }

  add(role: string): void {
    this.#lacking.add(role)
  }

  /** Without the statement that gives an object to a role that can't have it. */
  async withoutOwner(sql: string, owner: string): Promise<string> {
    if (!GIVES_AWAY.test(sql) || (await this.#canOwn(owner))) return sql
    this.add(owner)
    return sql.replace(GIVES_AWAY, '')
  }

  async grant(statements: string): Promise<void> {
    const session = await this.#open()
    for (const statement of splitGrants(statements)) {
      try {
        await session.query(statement)
      } catch (error) {
        if (!(error instanceof AppError) || error.code === 'interrupted' || session.broken) throw error
        for (const role of await blamed(session, statement)) this.add(role)
      }
    }
  }

  async #canOwn(role: string): Promise<boolean> {
    const known = this.#givable.get(role)
    if (known !== undefined) return known
    const beyond = await ungrantableOwners(await this.#open(), [role])
    this.#givable.set(role, beyond.length === 0)
    return beyond.length === 0
  }
}

/** Pure: the statements of an entry, each by itself. */
export function splitGrants(text: string): string[] {
  return (text.match(STATEMENT) ?? []).map(each => each.trim())
}

async function blamed(session: Session, statement: string): Promise<string[]> {
  const roles = rolesIn(statement)
  const missing = await missingRoles(session, roles)
  return missing.length > 0 ? missing : roles
}
