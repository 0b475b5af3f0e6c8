import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { borg, type Contestant, lifeboat, restic } from './contestant.ts'
import { COUNTED } from './counted.ts'
import { formatGrowth, measureGrowth } from './counts.ts'
import { raceFar } from './far-race.ts'
import { raceCluster, raceDump, raceWal } from './postgres/races.ts'
import { type RaceContext, raceChain, raceSqlite, raceVersion, TARGETS } from './races.ts'
import { formatTable, Recorder } from './report.ts'
import { raceSnapshots } from './snapshots-race.ts'
import { stagePackage } from './staged-package.ts'

const USAGE = `Measures lifeboat beside restic, borg and pgbackrest, where these are installed, and PostgreSQL's own programs.

  npm run bench -- [--size 1.5G] [--rounds 3] [--only version,sqlite,chain,snapshots,far,cluster,wal,dump]
                   [--tools lifeboat,restic,borg,pgbackrest] [--dir DIR] [--json FILE]
  npm run bench -- --counts all     how time grows with the count of ${Object.keys(COUNTED).join(', ')}
`

const RACES: Readonly<Record<string, (context: RaceContext) => Promise<void>>> = {
  version: raceVersion,
  sqlite: raceSqlite,
  chain: raceChain,
  snapshots: raceSnapshots,
  far: raceFar,
  cluster: raceCluster,
  wal: raceWal,
  dump: raceDump,
}

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1.5G' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(RACES).join(',') },
    tools: { type: 'string', default: 'lifeboat,restic,borg,pgbackrest' },
    dir: { type: 'string', default: join(tmpdir(), 'lifeboat-bench') },
    json: { type: 'string' },
    counts: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(USAGE)
else if (values.counts !== undefined) await growth(values.counts)
else await main()

/** Not beside others: what counts is how we grow. Always by our package, as people have it. */
async function growth(subjects: string): Promise<void> {
  const dir = resolve(values.dir)
  mkdirSync(dir, { recursive: true })
  const found = await measureGrowth({
    bin: stagePackage(dir),
    dir,
    subjects: subjects === 'all' ? Object.keys(COUNTED) : subjects.split(','),
    say: line => process.stderr.write(`${line}\n`),
  })
  process.stdout.write(`${formatGrowth(found)}\n`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(found, null, 2)}\n`)
}

async function main(): Promise<void> {
  const dir = resolve(values.dir)
  // Who runs the PostgreSQL server must get to its data and to our package.
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const recorder = new Recorder()
  const tools = values.tools.split(',')
  const bin = tools.includes('lifeboat') ? stagePackage(dir) : undefined
  const context: RaceContext = {
    contestants: findContestants(tools, bin),
    tools,
    bin,
    recorder,
    dir,
    sizeBytes: parseSize(values.size),
    rounds: Number(values.rounds),
    say: line => process.stderr.write(`${line}\n`),
  }
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? '?'}), ${Math.round(totalmem() / 2 ** 30)} GiB memory`
  context.say(`${machine}; ${context.contestants.map(tool => `${tool.name} ${tool.version}`).join(', ')}`)
  for (const name of values.only.split(',')) {
    const race = RACES[name]
    if (!race) throw new Error(`no such race: ${name}\n${USAGE}`)
    await race(context)
  }
  const results = recorder.results()
  process.stdout.write(`${formatTable(results, TARGETS)}\n`)
  const json = values.json ?? join(dir, 'results.json')
  const versions = context.contestants.map(({ name, version }) => ({ name, version }))
  writeFileSync(
    json,
    `${JSON.stringify({ machine, tools: versions, sizeBytes: context.sizeBytes, results }, null, 2)}\n`,
  )
  context.say(`figures: ${json}`)
}

/** Those that keep files; the races of clusters find theirs themselves. */
function findContestants(names: readonly string[], bin: readonly string[] | undefined): Contestant[] {
  const makers: Record<string, () => Contestant | undefined> = {
    lifeboat: () => bin && lifeboat(bin),
    restic,
    borg,
  }
  const asked = names.filter(name => name !== 'pgbackrest')
  const found = asked.map(name => ({ name, tool: makers[name]?.() }))
  for (const { name, tool } of found) if (!tool) process.stderr.write(`${name} is not installed: left out\n`)
  return found.flatMap(({ tool }) => tool ?? [])
}

function parseSize(text: string): number {
  const match = /^([\d.]+)([KMG]?)$/i.exec(text)
  if (!match) throw new Error(`not a size: ${text}\n${USAGE}`)
  return Math.round(Number(match[1]) * 1000 ** ' KMG'.indexOf(match[2]?.toUpperCase() || ' '))
}
