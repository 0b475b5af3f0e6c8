import type { Finding } from '../../model/finding.ts'
import type { LeftTable, SchemaDifference } from '../../model/merge-plan.ts'
import type { MergedReason, MergeReason, MergeReport } from '../../model/merge-report.ts'
import type { ReportTable } from '../../model/report.ts'

/** In words for people, each after "5 rows of table: ". */
const WHY: Readonly<Record<MergeReason, string>> = {
  'parent-nowhere': 'left out: what they refer to is nowhere',
  'parent-skipped': 'left out: what they refer to was left out',
  'parents-disagree': 'left out: what they refer to is under ids that exclude each other',
  'parents-in-a-circle': 'left out: they are known only by one another, in a circle',
  'must-not-be-null': 'left out: they lack a value that must not be null',
  'unique-value-taken': 'left out: a value that must be unique is another row’s',
  'kept-parent-nowhere': 'not updated: what the backup’s refer to is not here',
  'kept-unique-value-taken': 'not updated: a value that must be unique is another row’s',
}

const LEFT: Readonly<Record<LeftTable['why'], string>> = {
  rule: 'left as it is, by a rule',
  'only-in-backup': 'not in the database: its rows were not merged',
  'only-in-target': 'not in the backup: left as it is',
  migrations: 'left as it is: it says which migrations ran here',
  'needs-application': 'left as it is: only the application can compute its indexes or rules',
  'not-readable': 'left as it is: its rows cannot be merged one by one',
  'index-outdated': 'this search index may not agree with its rows',
}

const COUNTS = ['rows', 'added', 'matched', 'different', 'updated', 'remapped', 'skipped'] as const

/** What became of each table's rows; why rows were left out; and where the two schemas differ. Empty ones are left away. */
export function mergeReportTables(report: MergeReport): ReportTable[] {
  const merged: ReportTable = {
    title: report.dryRun ? 'what a merge would do' : 'merged',
    columns: [
      { name: 'table', align: 'left' },
      { name: 'same by', align: 'left' },
      ...COUNTS.map(name => ({ name: name === 'rows' ? 'in backup' : name, align: 'right' as const })),
    ],
    rows: report.tables.map(table => [table.table, table.key.join(', '), ...COUNTS.map(name => String(table[name]))]),
  }
  return [merged, reasonsTable(report), differencesTable(report)].filter(table => table.rows.length > 0)
}

function reasonsTable({ tables, left }: MergeReport): ReportTable {
  const reasons = tables.flatMap(({ table, reasons: all }) =>
    all.map(reason => [table, String(reason.rows), WHY[reason.why], examplesOf(reason)]),
  )
  const whole = left.map(({ table, rows, why }) => [table, rows === undefined ? '' : String(rows), LEFT[why], ''])
  return {
    title: 'left out',
    columns: [
      { name: 'table', align: 'left' },
      { name: 'rows', align: 'right' },
      { name: 'why', align: 'left' },
      { name: 'for example', align: 'left' },
    ],
    rows: [...reasons, ...whole],
  }
}

function examplesOf({ rows, examples }: MergedReason): string {
  return `${examples.join('; ')}${rows > examples.length ? '; ...' : ''}`
}

function differencesTable({ differences }: MergeReport): ReportTable {
  return {
    title: 'columns that differ',
    columns: [
      { name: 'column', align: 'left' },
      { name: 'in the backup', align: 'left' },
      { name: 'here', align: 'left' },
      { name: 'so', align: 'left' },
    ],
    rows: differences.map(difference => [
      `${difference.table}.${difference.column}`,
      difference.backup ?? '-',
      difference.target ?? '-',
      consequence(difference),
    ]),
  }
}

function consequence({ kind }: SchemaDifference): string {
  if (kind === 'type') return 'values are converted'
  return kind === 'only-in-backup' ? 'its values are not merged' : 'new rows get its default'
}

/** What may be missing, or wrong, after the merge. */
function lostWith({ why, rows }: MergeReport['left'][number]): boolean {
  return (UNHANDLED.has(why) || why === 'only-in-backup') && rows !== 0
}

/** Why a table that is on both sides could not be merged: no rule and no schema of the person's own asks for that. */
const UNHANDLED: ReadonlySet<string> = new Set<LeftTable['why']>([
  'needs-application',
  'not-readable',
  'index-outdated',
])

/** A table on both sides could not be merged, or an index not be brought in line: the run ends with exit code 3. */
export function leavesOut({ left }: Pick<MergeReport, 'left'>): boolean {
  return left.some(({ why, rows }) => UNHANDLED.has(why) && rows !== 0)
}

/** What a person should look at. `source`: the name of what the backup is of, for the commands that help. */
export function mergeFindings(report: MergeReport, source: string): Finding[] {
  const skipped = report.tables.flatMap(({ table, reasons }) =>
    reasons.map(
      (reason): Finding => ({
        severity: 'warning',
        code: `merge-${reason.why}`,
        subject: `table ${table}`,
        message: `${reason.rows} ${reason.rows === 1 ? 'row' : 'rows'} ${WHY[reason.why]}: ${examplesOf(reason)}`,
      }),
    ),
  )
  const missing = report.left.filter(lostWith).map(each => missingFinding(each, source))
  return [...skipped, ...missing]
}

function missingFinding({ table, why, rows }: MergeReport['left'][number], source: string): Finding {
  const about = { severity: 'warning', subject: `table ${table}` } as const
  if (why === 'index-outdated') {
    const hint = `Let the application fill it, or build it from all rows: INSERT INTO ${table}(${table}) VALUES('rebuild');`
    return { ...about, code: 'search-index-outdated', message: LEFT[why], hint }
  }
  return {
    ...about,
    code: why === 'only-in-backup' ? 'merge-table-missing' : 'merge-table-left',
    message: rows === undefined ? LEFT[why] : `${LEFT[why]} (${rows})`,
    hint:
      why === 'only-in-backup'
        ? `"lifeboat restore ${source} --table ${table}" brings it back; or create it, then merge again.`
        : `"lifeboat restore ${source} --table ${table}" replaces all of it by what the backup has.`,
  }
}

function withoutReason(gone: MergeReport['left']): string {
  if (gone.some(({ why }) => why !== 'only-in-backup')) return 'see below'
  return `which ${gone.length === 1 ? 'is' : 'are'} not in the database`
}

/** One line: `added 12 rows, updated 3, left out 1, in 4 tables`. */
export function mergeSummary(report: MergeReport): string {
  const sum = (name: (typeof COUNTS)[number]): number => report.tables.reduce((total, table) => total + table[name], 0)
  const gone = report.left.filter(lostWith)
  const without = gone.length === 0 ? '' : ` but ${gone.map(({ table }) => table).join(', ')}, ${withoutReason(gone)}`
  if (!report.changed && sum('skipped') === 0) {
    return `nothing to merge: the database has all that the backup has${without}`
  }
  const [added, matched, out, tables] = [sum('added'), sum('matched'), sum('skipped'), report.tables.length]
  const parts = [
    `${added} ${added === 1 ? 'row' : 'rows'} added`,
    `${sum('updated')} updated`,
    `${matched} ${matched === 1 ? 'was' : 'were'} there already`,
    ...(out > 0 ? [`${out} left out`] : []),
  ]
  return `${parts.join(', ')}, in ${tables} ${tables === 1 ? 'table' : 'tables'}${without}`
}
