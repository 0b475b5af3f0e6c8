import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { CopyWish } from '../../operations/copy/copy-jobs.ts'
import type { CopyAttempt, PlannedCopying } from '../../operations/copy/copy-repositories.ts'
import { copyJson, plannedCopyJson } from '../../outputs/copy.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { describeCopied } from '../copied.ts'
import { counted, formatError } from '../printers/text.ts'
import { AS_OF_OPTION, typedRepository } from '../selection.ts'

export const copy: Command<Printed<'copy'>> = {
  name: 'copy',
  summary: 'copy recovery points to other repositories',
  description: [
    'Copies what the other repository lacks, encrypted with its own key, with pins and PostgreSQL’s log. If it is interrupted, the next copy goes on where it was. Nothing is ever deleted there: each repository keeps things for as long as its own retention says.',
    'Without --to, each source goes from the first repository of its policies to the others. With --to, everything that --from has is copied, or only the sources that are named.',
    'Damaged data is never copied: what needs it is left out and named, everything else is copied, and the exit code is 3.',
  ],
  arguments: [{ name: 'sources', summary: 'names of sources (default: all)', variadic: true, complete: 'sources' }],
  options: [
    {
      flags: '--from <name>',
      summary: 'the repository to copy from, or its URL (default: the first one)',
      complete: 'repositories',
    },
    {
      flags: '--to <name>',
      summary: 'the repository to copy to, or its URL',
      repeat: true,
      complete: 'repositories',
    },
    { ...AS_OF_OPTION, summary: 'copy what --from had at this time, from the old versions that its bucket keeps' },
    { flags: '-n, --dry-run', summary: 'only show what would be copied' },
  ],
  examples: [
    { command: 'lifeboat copy', explains: 'bring the other repositories of each policy up to date' },
    { command: 'lifeboat copy --to offsite --dry-run', explains: 'what offsite lacks' },
    { command: 'lifeboat copy app --from main --to offsite', explains: 'all recovery points of one source' },
    { command: 'lifeboat copy --from offsite --to main', explains: 'everything back again' },
    {
      command: 'lifeboat copy --from offsite --as-of "2026-09-04 01:59" --to rescued',
      explains: 'what a bucket held before an attack, into a new repository',
    },
  ],
  run: async call => {
    const { values } = call
    if (values.text('repo') !== undefined) {
      throw new AppError('usage', 'copy has two repositories, so it takes no --repo', { hint: 'Give --from and --to.' })
    }
    const app = await call.openApp()
    const wish: CopyWish = {
      sources: values.list('sources'),
      from: typedRepository(call, values.text('from')),
      to: values.list('to').map(name => typedRepository(call, name)),
    }
    const { copyRepositories, planCopying } = await import('../../operations/copy/copy-repositories.ts')
    if (values.flag('dryRun')) {
      const jobs = await planCopying(app, wish, call.caller)
      return report(call, jobs, plannedCopyJson(jobs), each => ('plan' in each ? describePlan(each.plan, call) : ''))
    }
    const attempts = await copyRepositories(app, wish, call.caller)
    return report(call, attempts, copyJson(attempts), each =>
      'result' in each ? describeCopied(each.result, call.terminal.out) : '',
    )
  },
}

type Job = CopyAttempt | PlannedCopying

function report<Each extends Job>(
  call: Call,
  jobs: readonly Each[],
  json: Printed<'copy'>,
  describe: (job: Each) => string,
): Output<Printed<'copy'>> {
  const [only] = jobs
  if (jobs.length === 1 && only !== undefined && 'error' in only) throw only.error
  const head = ({ from, to }: Job): string => `${from} -> ${to}: `
  const said = jobs.map(job => ({ job, text: 'error' in job ? '' : head(job) + describe(job) }))
  return {
    json,
    text: said.map(({ text }) => text).join(''),
    problems: jobs.map(job => ('error' in job ? head(job) + formatError(job.error, call.terminal.err) : '')).join(''),
    exitCode: exitCodeOf(jobs),
  }
}

function exitCodeOf(jobs: readonly Job[]): number {
  const errors = jobs.flatMap(job => ('error' in job ? [job.error] : []))
  const [first] = errors
  if (first !== undefined && errors.length === jobs.length) return first.exitCode
  return first !== undefined || jobs.some(job => 'result' in job && !job.result.complete) ? 3 : 0
}

function describePlan(
  { missing, present, bytes }: Extract<PlannedCopying, { plan: unknown }>['plan'],
  call: Call,
): string {
  const points = call.terminal.out('bold', counted(missing.length, 'recovery point'))
  return `would copy ${points}, ${formatSize(bytes)}; ${present} there already\n`
}
