import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { borg, type Contestant, lifeboat, restic } from './contestant.ts'
import { type RaceContext, raceChain, raceSqlite, raceVersion, TARGETS } from './races.ts'
import { formatTable, Recorder } from './report.ts'
import { raceSnapshots } from './snapshots-race.ts'
import { stagePackage } from './staged-package.ts'

const USAGE = `Measures lifeboat beside restic and borg, where these are installed.

  npm run bench -- [--size 1.5G] [--rounds 3] [--only sqlite,chain,snapshots,version]
                   [--tools lifeboat,restic,borg] [--dir DIR] [--json FILE]
`

const RACES: Readonly<Record<string, (context: RaceContext) => Promise<void>>> = {
  version: raceVersion,
  sqlite: raceSqlite,
  chain: raceChain,
  snapshots: raceSnapshots,
}

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1.5G' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(RACES).join(',') },
    tools: { type: 'string', default: 'lifeboat,restic,borg' },
    dir: { type: 'string', default: join(tmpdir(), 'lifeboat-bench') },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(USAGE)
else await main()

async function main(): Promise<void> {
  const dir = resolve(values.dir)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const recorder = new Recorder()
  const context: RaceContext = {
    contestants: findContestants(values.tools.split(','), dir),
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
  const tools = context.contestants.map(({ name, version }) => ({ name, version }))
  writeFileSync(json, `${JSON.stringify({ machine, tools, sizeBytes: context.sizeBytes, results }, null, 2)}\n`)
  context.say(`figures: ${json}`)
}

function findContestants(names: readonly string[], dir: string): Contestant[] {
  const makers: Record<string, () => Contestant | undefined> = {
    lifeboat: () => lifeboat(stagePackage(dir)),
    restic,
    borg,
  }
  const found = names.map(name => ({ name, tool: makers[name]?.() }))
  for (const { name, tool } of found) if (!tool) process.stderr.write(`${name} is not installed: left out\n`)
  return found.flatMap(({ tool }) => tool ?? [])
}

function parseSize(text: string): number {
  const match = /^([\d.]+)([KMG]?)$/i.exec(text)
  if (!match) throw new Error(`not a size: ${text}\n${USAGE}`)
  return Math.round(Number(match[1]) * 1000 ** ' KMG'.indexOf(match[2]?.toUpperCase() || ' '))
}
