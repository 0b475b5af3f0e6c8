import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PASSWORD } from './contestant.ts'
import { COUNTED, type Counted } from './counted.ts'
import { type Measurement, measure } from './measure.ts'
import { formatMs } from './report.ts'

/** How a work grows with the count of something, in processor time: what else the machine does changes that least. */
export interface Growth {
  readonly subject: string
  readonly work: string
  readonly counts: readonly number[]
  readonly cpuMs: readonly number[]
  /** Time grows as the count to this power; undefined where it takes too little to tell. */
  readonly exponent: number | undefined
}

export interface CountsContext {
  /** Starts our package. */
  readonly bin: readonly string[]
  readonly dir: string
  /** Names of `COUNTED`; of an unknown one it throws. */
  readonly subjects: readonly string[]
  readonly say: (line: string) => void
}

/** Once, twice and four times as many; and next to none, for what each work takes whatever it works on. */
const FACTORS = [1, 2, 4]
const TELLING_MS = 150
/** Above this a work is more than linear, noise and caches allowed for. */
export const LINEAR = 1.3

/** Does each work with more and more files, tables, snapshots, and tells how its time grows. */
export async function measureGrowth({ bin, dir, subjects, say }: CountsContext): Promise<Growth[]> {
  const found: Growth[] = []
  for (const name of subjects) {
    const counted = COUNTED[name]
    if (counted === undefined) throw new Error(`no such subject: ${name} (${Object.keys(COUNTED).join(', ')})`)
    const counts = [1, ...FACTORS.map(factor => factor * counted.base)]
    const times: Array<Map<string, number>> = []
    for (const count of counts) {
      say(`${count} ${name}`)
      times.push(await timesWith(counted, count, join(dir, `counts-${name}`), bin))
    }
    for (const work of times[0]?.keys() ?? []) {
      const cpuMs = times.map(each => each.get(work) ?? 0)
      found.push({ subject: name, work, counts, cpuMs, exponent: exponentOf(counts, cpuMs) })
    }
  }
  return found
}

async function timesWith(
  counted: Counted,
  count: number,
  dir: string,
  bin: readonly string[],
): Promise<Map<string, number>> {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  try {
    writeFileSync(join(dir, 'password'), PASSWORD, { mode: 0o600 })
    const repositories = 'repositories: { main: { url: ./repository, passwordFile: ./password } }\n'
    writeFileSync(join(dir, 'lifeboat.yaml'), repositories + (await counted.prepare(dir, count)))
    const run = (...args: string[]): Promise<Measurement> =>
      measure([...bin, ...args, '--config', join(dir, 'lifeboat.yaml')], { cwd: dir })
    if (!counted.ownRepository) await run('init', '--yes')
    const times = new Map<string, number>()
    for (const { name, args } of counted.works) times.set(name, (await run(...args)).cpuMs)
    return times
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The slope between the smallest and the largest count, on logarithmic scales, without what the first one takes. */
export function exponentOf(counts: readonly number[], cpuMs: readonly number[]): number | undefined {
  const fixed = cpuMs[0] ?? 0
  const [from, to] = [cpuMs[1], cpuMs.at(-1)].map(ms => (ms ?? 0) - fixed)
  if (from === undefined || to === undefined || to < TELLING_MS) return undefined
  const factor = (counts.at(-1) ?? 1) / (counts[1] ?? 1)
  return Math.log(to / Math.max(from, TELLING_MS / 10)) / Math.log(factor)
}

export function formatGrowth(all: readonly Growth[]): string {
  const lines = all.map(({ subject, work, counts, cpuMs, exponent }) => {
    const times = counts.map((count, at) => `${count}: ${formatMs(cpuMs[at] ?? 0)}`).join(', ')
    return `| ${subject} | ${work} | ${times} | ${judge(exponent)} |`
  })
  return ['| count of | work | time | exponent |', '|---|---|---|---|', ...lines].join('\n')
}

function judge(exponent: number | undefined): string {
  if (exponent === undefined) return 'too fast to tell'
  return `${exponent.toFixed(2)}${exponent > LINEAR ? ' MORE THAN LINEAR' : ''}`
}
