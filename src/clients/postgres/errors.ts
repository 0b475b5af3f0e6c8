import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import { redactSecret } from '../../base/redact.ts'
import { circumstances, RULES, telling } from './error-rules.ts'
import { type ConnectionSettings, describeConnection } from './settings.ts'

/**
 * Wraps what the driver threw. `doing` completes "cannot ...": `read shop`. An `AppError` is passed on as it is.
 */
export function postgresError(
  error: unknown,
  settings: ConnectionSettings,
  doing: string,
  database?: string,
): AppError {
  if (isAppError(error)) return error
  const message = redact(messageOf(flatten(error)), settings)
  return toAppError(message, systemCode(flatten(error)), settings, doing, database)
}

/** The same for a tool that failed, from what it wrote to stderr. */
export function toolError(
  tool: string,
  stderr: string,
  exit: { readonly code: number | undefined; readonly killedBy: string | undefined },
  settings: ConnectionSettings,
  doing: string,
): AppError {
  const text = redact(stderr, settings).trim()
  const how = exit.code === undefined ? `killed by ${exit.killedBy ?? 'a signal'}` : `exit code ${exit.code}`
  if (text === '') {
    return new AppError('tool-failed', `cannot ${doing}: ${tool} ended without a word (${how})`, {
      hint: "Look into the server's log, and whether this machine ran out of memory; then try again.",
    })
  }
  return toAppError(text, undefined, settings, doing, undefined, tool)
}

/** The server's own words, without ours around them. */
export function serverWords({ context, message }: AppError): string {
  const said = context['said']
  return typeof said === 'string' ? said : message
}

/** Hides the password in text that we did not write. */
export function redact(text: string, settings: ConnectionSettings): string {
  return redactSecret(text, settings.password?.reveal() ?? '')
}

function toAppError(
  message: string,
  code: string | undefined,
  settings: ConnectionSettings,
  doing: string,
  database?: string,
  tool?: string,
): AppError {
  const place = describeConnection(settings, database)
  const rule =
    RULES.find(each => each.codes.length === 0 && each.text.test(message)) ??
    RULES.find(each => code !== undefined && each.codes.includes(code)) ??
    RULES.find(each => each.text.test(message))
  const meaning = rule?.meaning(settings, message, isWriting(tool, doing))
  const context = { server: place, said: lastLines(message), ...(code === undefined ? {} : { sqlState: code }) }
  if (meaning)
    return new AppError(meaning.code, `cannot ${doing} at ${place}: ${meaning.what}${circumstances(message)}`, {
      hint: meaning.hint,
      context,
    })
  return new AppError('tool-failed', `cannot ${doing} at ${place}: ${telling(message)}${circumstances(message)}`, {
    hint: `${tool ?? 'PostgreSQL'} said this; its manual and the server's log may say more.`,
    context,
  })
}

/** Several addresses of one name fail as one `AggregateError` without a message. */
function flatten(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? (error.errors[0] as unknown) : error
}

/** Restores and merges: what they lack is another right than what a backup lacks. */
function isWriting(tool: string | undefined, doing: string): boolean {
  return tool === 'pg_restore' || tool === 'psql' || /^(?:restore|merge|write|add|update|make|replace)\b/.test(doing)
}

function lastLines(message: string): string {
  return message.split('\n').slice(-20).join('\n').slice(-4000)
}
