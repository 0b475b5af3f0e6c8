import { AppError } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  quoteIdentifier,
  type Session,
} from '../../../../clients/postgres/index.ts'
import type { MaskableTable } from '../../../../model/masking/maskable.ts'
import { maskInvalid, type PlannedColumn } from '../../../../model/masking/plan.ts'
import { describeRule } from '../../../../model/masking/rules.ts'

/** A row's fields by their columns; null for NULL. */
export type RowFields = ReadonlyArray<string | null>

/**
 * Statements and their parameters must not reach the server's log, nor big ones its disk. Some may be set by superusers
 * only; without them it is for the server's own settings to log no parameters.
 */
const DISCREET = [
  'SET log_min_error_statement = panic',
  'SET log_min_messages = panic',
  'SET log_statement = none',
  'SET log_min_duration_statement = -1',
  'SET log_min_duration_sample = -1',
  'SET log_duration = off',
  'SET log_parameter_max_length = 0',
  'SET log_parameter_max_length_on_error = 0',
  'SET debug_print_parse = off',
  "SET work_mem = '64MB'",
  'SET default_transaction_read_only = on',
]

/** Expressions of a mask, run by the server over rows that are given as parameters and stored nowhere. */
export class SqlRules {
  readonly #session: Session
  readonly #file: string
  /** Several streams ask; what is set for one must not be changed by another in between. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(session: Session, file: string) {
    this.#session = session
    this.#file = file
  }

  /** In the database that the copy is made in, so that its functions and types are there. */
  static async open(
    settings: ConnectionSettings,
    database: string,
    file: string,
    signal: AbortSignal,
  ): Promise<SqlRules> {
    const session = await openSession(settings, { database, signal })
    for (const statement of DISCREET) {
      await session.query(statement).catch((error: unknown) => {
        // Not for this user, or not in this version.
        if (!(error instanceof AppError) || session.broken) throw error
      })
    }
    return new SqlRules(session, file)
  }

  /** Throws `config-invalid` for what can't be run at all. */
  async tryOut(table: MaskableTable, rules: readonly PlannedColumn[]): Promise<void> {
    for (const rule of rules) await this.#run(expressionQuery(table, [rule]), table, [rule], [], false)
  }

  /** The values that each row gets, in the order of `rules`. */
  async evaluate(
    table: MaskableTable,
    rules: readonly PlannedColumn[],
    columns: readonly string[],
    rows: readonly RowFields[],
  ): Promise<Array<Array<string | null>>> {
    const query = expressionQuery(table, rules)
    const values = query.columns.map(name => {
      const at = columns.indexOf(name)
      return rows.map(row => row[at] ?? null)
    })
    const answer = await this.#run(query, table, rules, values, true)
    return answer.map(row => rules.map((_, i) => row[`v${i}`] ?? null))
  }

  async close(): Promise<void> {
    await this.#session.close()
  }

  async #run(...ask: RunArguments): Promise<Array<Record<string, string | null>>> {
    const answer = this.#turn.then(() => this.#runAlone(...ask))
    this.#turn = answer.catch(() => {})
    return await answer
  }

  async #runAlone(
    ...[query, table, rules, values, withData]: RunArguments
  ): Promise<Array<Record<string, string | null>>> {
    const schema = quoteIdentifier(table.schema ?? 'public')
    await this.#session.query(`SET search_path = ${schema}, public`)
    try {
      return await this.#session.query(query.text, withData ? values : query.columns.map(() => []))
    } catch (error) {
      const said = error instanceof AppError ? error.context['said'] : undefined
      if (typeof said !== 'string' || this.#session.broken) throw error
      // With data, what follows the colon may be somebody's.
      const why = withData ? said.replace(/:[\s\S]*$/, '').replace(/"[^"]*"/g, '"..."') : said
      throw maskInvalid(
        this.#file,
        rules.map(({ at, column, rule }) => ({
          at,
          message: `${table.key}.${column} cannot be masked with ${describeRule(rule)}: ${why}`,
        })),
      )
    }
  }
}

type RunArguments = [
  query: ExpressionQuery,
  table: MaskableTable,
  rules: readonly PlannedColumn[],
  values: ReadonlyArray<ReadonlyArray<string | null>>,
  withData: boolean,
]

interface ExpressionQuery {
  readonly text: string
  /** Whose values are its parameters, an array each. */
  readonly columns: readonly string[]
}

/** Rows come as one array a column, so nothing is left to quote; only columns that the expressions may mean are sent. */
function expressionQuery(table: MaskableTable, rules: readonly PlannedColumn[]): ExpressionQuery {
  const expressions = rules.flatMap(({ rule }) => (rule.kind === 'sql' ? [rule.expression] : []))
  const text = expressions.join(' ').toLowerCase()
  const stored = table.columns.filter(column => !column.generated)
  const meant = stored.filter(column => text.includes(column.name.toLowerCase()))
  const columns = meant.length > 0 ? meant : stored.slice(0, 1)
  const fields = columns.map((column, i) => `x.c${i}::${column.typeName} AS ${quoteIdentifier(column.name)}`)
  const arrays = columns.map((_, i) => `$${i + 1}::text[]`)
  const names = [...columns.map((_, i) => `c${i}`), 'lifeboat_row']
  return {
    text: `SELECT ${expressions.map((each, i) => `((${each}\n))::text AS v${i}`).join(', ')}
      FROM (SELECT ${fields.join(', ')}, x.lifeboat_row
        FROM unnest(${arrays.join(', ')}) WITH ORDINALITY AS x (${names.join(', ')})) AS ${quoteIdentifier(table.name)}
      ORDER BY lifeboat_row`,
    columns: columns.map(column => column.name),
  }
}
