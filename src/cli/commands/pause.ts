import { formatTime } from '../../base/times.ts'
import type { JobRecord } from '../../catalog/catalog.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { jobJson } from '../../outputs/schedule.ts'
import type { ArgumentSpec, Command } from '../command.ts'
import { futureOption } from '../time-options.ts'

const POLICY: ArgumentSpec = { name: 'policy', summary: 'name of a policy (default: all that happens by itself)' }
const DAY_MS = 86_400_000

export const pause: Command<Printed<'pause'>> = {
  name: 'pause',
  summary: 'keep scheduled runs from starting, for a time',
  description: [
    'For maintenance of what is backed up. A pause ends by itself, after 24 hours if not told otherwise; what was missed then runs once. What runs now goes on: see "lifeboat runs cancel".',
  ],
  arguments: [POLICY],
  options: [{ flags: '--until <time>', summary: 'when it ends, like 2h, 3d or "2027-01-31 06:00" (default: 24h)' }],
  examples: [
    { command: 'lifeboat pause', explains: 'everything, for a day' },
    { command: 'lifeboat pause nightly --until 2h', explains: 'one policy' },
  ],
  run: async call => {
    const { pause: pauseJobs } = await import('../../operations/schedule/pauses.ts')
    const app = await call.openApp()
    const until = futureOption(call, 'until') ?? new Date(call.clock.now().getTime() + DAY_MS)
    const jobs = await pauseJobs(app, { policy: call.values.text('policy'), until })
    return {
      json: jobs.map(jobJson),
      text: `${names(jobs)}: nothing starts until ${formatTime(until)}. "lifeboat resume" ends the pause sooner.\n`,
    }
  },
}

export const resume: Command<Printed<'resume'>> = {
  name: 'resume',
  summary: 'end a pause of scheduled runs',
  arguments: [POLICY],
  examples: [{ command: 'lifeboat resume nightly', explains: 'what it missed runs once, within seconds' }],
  run: async call => {
    const { resume: resumeJobs } = await import('../../operations/schedule/pauses.ts')
    const jobs = await resumeJobs(await call.openApp(), call.values.text('policy'))
    return { json: jobs.map(jobJson), text: `${names(jobs)}: scheduled again.\n` }
  },
}

const names = (jobs: readonly JobRecord[]): string => jobs.map(job => job.name).join(', ')
