import { isAppError, messageOf, throwIfAborted } from '../../base/errors.ts'
import { withoutLogin } from '../../base/web-request.ts'
import type { Assertion } from '../../model/assertion.ts'
import type { CheckOutcome } from '../../model/report.ts'
import type { RestoredCopy } from '../../sources/source.ts'
import { assertCommand } from './assert-command.ts'
import { assertFile } from './assert-file.ts'
import { assertHttp } from './assert-http.ts'
import { assertSql } from './assert-sql.ts'
import type { Asserted, AssertionContext } from './asserted.ts'

/**
 * Holds a restored copy to what the user says of it, in the order it is said. What can't be found out has failed: a
 * statement with a mistake in it proves nothing. Throws only `interrupted`.
 */
export async function runAssertions(
  assertions: readonly Assertion[],
  copy: RestoredCopy,
  context: AssertionContext,
): Promise<CheckOutcome[]> {
  const outcomes: CheckOutcome[] = []
  for (const assertion of assertions) {
    throwIfAborted(context.signal)
    if (!concerns(assertion, copy)) continue
    const name = `assertion ${assertion.name ?? shortened(describe(assertion))}`
    outcomes.push({ name, ...(await attempt(assertion, copy, context)) })
  }
  return outcomes
}

/** Databases of one source may come back one by one: each is asked what concerns it, and the default one all the rest. */
function concerns(assertion: Assertion, { server }: RestoredCopy): boolean {
  if (server === undefined) return true
  const database = 'sql' in assertion ? assertion.database : undefined
  return server.databases.includes(database ?? server.defaultDatabase)
}

async function attempt(assertion: Assertion, copy: RestoredCopy, context: AssertionContext): Promise<Asserted> {
  try {
    if ('sql' in assertion) return await assertSql(assertion, copy)
    if ('command' in assertion) return await assertCommand(assertion, copy, context)
    if ('http' in assertion) return await assertHttp(assertion, context.signal)
    return await assertFile(assertion, copy)
  } catch (error) {
    throwIfAborted(context.signal)
    if (isAppError(error, 'interrupted')) throw error
    return { passed: false, expected: 'to be found out', found: messageOf(error) }
  }
}

function describe(assertion: Assertion): string {
  if ('sql' in assertion) return assertion.sql
  if ('command' in assertion) return assertion.command.join(' ')
  if ('http' in assertion) return withoutLogin(assertion.http)
  return `${assertion.exists} exists`
}

const NAME_CHARS = 80

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= NAME_CHARS ? line : `${line.slice(0, NAME_CHARS - 1)}…`
}
