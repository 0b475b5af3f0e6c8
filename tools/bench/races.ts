import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Contestant } from './contestant.ts'
import { countDifferentPages, generateMailDatabase, touchPages } from './mail-database.ts'
import type { Measurement } from './measure.ts'
import { formatBytes, type Recorder, type Target } from './report.ts'

export interface RaceContext {
  readonly contestants: readonly Contestant[]
  /** The tools that were asked for, by name. */
  readonly tools: readonly string[]
  /** Starts our package; undefined when it was not asked for. */
  readonly bin: readonly string[] | undefined
  readonly recorder: Recorder
  /** For databases (kept for the next time) and repositories (removed). */
  readonly dir: string
  readonly sizeBytes: number
  readonly rounds: number
  readonly say: (line: string) => void
}

const MEMORY = 300_000_000
/** As the table names it, beside the one that the system has. */
export const NEWEST_RESTIC = 'restic 0.19.1'

/** The design's bounds, by work. */
export const TARGETS: ReadonlyMap<string, Target> = new Map([
  ['first backup', { time: 0.6, bytes: 1.3, memoryLimitBytes: MEMORY }],
  ['after 1 % of pages changed', { time: 0.15, bytes: 0.15, memoryLimitBytes: MEMORY }],
  ['nothing changed', { time: 1, memoryLimitBytes: MEMORY }],
  ['restore whole', { time: 0.6, memoryLimitBytes: MEMORY }],
  ['restore in place, 1 % differs', { time: 0.2, against: 'restore whole', memoryLimitBytes: MEMORY }],
  ['check --read-data', { time: 1, memoryLimitBytes: MEMORY }],
  ['chain of 30 days', { bytes: 0.25, memoryLimitBytes: MEMORY }],
  ['version', { timeLimitMs: 150 }],
  ['S3, first backup', { peer: NEWEST_RESTIC, time: 0.6, bytes: 1.3, memoryLimitBytes: MEMORY }],
  ['S3, after 1 % of pages changed', { peer: NEWEST_RESTIC, time: 0.2, bytes: 0.15, memoryLimitBytes: MEMORY }],
  ['S3, nothing changed', { peer: NEWEST_RESTIC, time: 1, memoryLimitBytes: MEMORY }],
  ['S3, restore whole', { peer: NEWEST_RESTIC, time: 1, memoryLimitBytes: MEMORY }],
  ['S3, copy to another repository', { peer: NEWEST_RESTIC, time: 1, memoryLimitBytes: MEMORY }],
  ['cluster, first backup', { peer: 'pgbackrest', time: 0.8, bytes: 1.2, memoryLimitBytes: MEMORY }],
  ['cluster, 1 % of a table changed', { peer: 'pgbackrest', time: 0.5, bytes: 0.4, memoryLimitBytes: MEMORY }],
  ['cluster, restore', { peer: 'pgbackrest', time: 0.9, memoryLimitBytes: MEMORY }],
  ['cluster, restore over the older copy', { peer: 'pgbackrest', time: 0.8, memoryLimitBytes: MEMORY }],
  ['64 segments archived', { peer: 'pgbackrest', time: 1, memoryLimitBytes: MEMORY }],
  ['64 segments fetched', { peer: 'pgbackrest', time: 1, memoryLimitBytes: MEMORY }],
  ['dump of one table', { peer: 'pg_dump -Fc', time: 0.5, memoryLimitBytes: MEMORY }],
  ['snapshots, 10 000 of them', { timeLimitMs: 500, memoryLimitBytes: MEMORY }],
])

const ON_DISK_AND_CHECKED = 'restore whole, on disk and checked'
const REST_MS = 2500
const SEED = 20_240_601

/** One database through its life: first backup, changed, not changed, restored, checked. */
export async function raceSqlite(context: RaceContext): Promise<void> {
  const { contestants, recorder, dir, rounds, say } = context
  const [before, after] = prepareDatabases(context)
  const file = join(dir, 'app.db')
  for (let round = 1; round <= rounds; round++) {
    for (const tool of contestants) {
      say(`round ${round} of ${rounds}: ${tool.name}`)
      const home = join(dir, `${tool.name}-repository`)
      rmSync(home, { recursive: true, force: true })
      renameSync(before, file)
      try {
        await tool.init(home, file)
        await record(recorder, 'first backup', tool, home, () => tool.backup(home, file))
        renameSync(file, before)
        renameSync(after, file)
        await record(recorder, 'after 1 % of pages changed', tool, home, () => tool.backup(home, file))
        await record(recorder, 'nothing changed', tool, home, () => tool.backup(home, file))
      } finally {
        renameSync(file, existsSync(before) ? after : before)
      }
      await raceRestores(context, tool, home, { file, before, after })
      settle()
      recorder.add('check --read-data', tool.name, await tool.checkData(home))
      rmSync(home, { recursive: true, force: true })
    }
  }
}

async function raceRestores(
  { recorder, dir }: RaceContext,
  tool: Contestant,
  home: string,
  files: { readonly file: string; readonly before: string; readonly after: string },
): Promise<void> {
  const target = join(dir, 'restored.db')
  const targets = [target, `${target}-wal`, `${target}-shm`, `${target}.${tool.name}`]
  const clean = (): void => {
    for (const path of targets) rmSync(path, { recursive: true, force: true })
  }
  const restored = await secondTime(clean, () => tool.restore(home, files.file, target))
  recorder.add('restore whole', tool.name, restored)
  // The same run once more for who does all that by itself, so that like stands beside like.
  if (tool.name === 'lifeboat') recorder.add(ON_DISK_AND_CHECKED, tool.name, restored)
  if (tool.restoreInPlace) {
    assertEqual(files.after, target)
    copyFileSync(files.before, target)
    settle()
    const measured = await tool.restoreInPlace(home, files.file, target)
    recorder.add('restore in place, 1 % differs', tool.name, measured)
    assertEqual(files.after, target)
  }
  const { restoreAndCheck } = tool
  if (restoreAndCheck) {
    const measured = await secondTime(clean, () => restoreAndCheck(home, files.file, target))
    recorder.add(ON_DISK_AND_CHECKED, tool.name, measured)
  }
  clean()
}

/** A smaller database, each day 1 % of its pages changed and some mail added; what the whole chain takes. */
export async function raceChain(context: RaceContext): Promise<void> {
  const { contestants, recorder, dir, say } = context
  const file = join(dir, 'chain.db')
  generateMailDatabase(file, { sizeBytes: Math.round(context.sizeBytes / 10), seed: SEED })
  for (const tool of contestants) {
    const home = join(dir, `${tool.name}-chain`)
    rmSync(home, { recursive: true, force: true })
    await tool.init(home, file)
  }
  const totals = new Map(contestants.map(tool => [tool, { wallMs: 0, cpuMs: 0, peakBytes: 0, stdout: '' }]))
  for (let day = 1; day <= 30; day++) {
    if (day > 1) touchPages(file, { percent: 1, seed: SEED + day, addPercent: 0.2 })
    for (const [tool, total] of totals) {
      settle()
      const measured = await tool.backup(join(dir, `${tool.name}-chain`), file)
      total.wallMs += measured.wallMs
      total.cpuMs += measured.cpuMs
      total.peakBytes = Math.max(total.peakBytes, measured.peakBytes)
    }
    if (day % 10 === 0) say(`day ${day} of 30`)
  }
  for (const [tool, total] of totals) {
    const home = join(dir, `${tool.name}-chain`)
    recorder.add('chain of 30 days', tool.name, total, tool.storedBytes(home))
    rmSync(home, { recursive: true, force: true })
  }
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
}

export async function raceVersion({ contestants, recorder, rounds }: RaceContext): Promise<void> {
  for (let round = 0; round < rounds * 5; round++) {
    for (const tool of contestants) recorder.add('version', tool.name, await tool.showVersion())
  }
}

/** The cached pair: a database, and the same after 1 % of its pages changed. */
export function prepareDatabases({ dir, sizeBytes, say }: RaceContext): [string, string] {
  mkdirSync(dir, { recursive: true })
  const before = join(dir, `mail-${sizeBytes}.db`)
  const after = join(dir, `mail-${sizeBytes}-changed.db`)
  if (!existsSync(before) || !existsSync(after)) {
    say('making the database')
    const started = performance.now()
    generateMailDatabase(`${before}.new`, { sizeBytes, seed: SEED })
    copyFileSync(`${before}.new`, `${after}.new`)
    touchPages(`${after}.new`, { percent: 1, seed: SEED })
    renameSync(`${before}.new`, before)
    renameSync(`${after}.new`, after)
    say(`made in ${((performance.now() - started) / 1000).toFixed(0)} s`)
  }
  const { pages, different } = countDifferentPages(before, after)
  const percent = ((100 * different) / pages).toFixed(2)
  say(`database: ${formatBytes(statSync(before).size)}, ${different} of ${pages} pages changed (${percent} %)`)
  return [before, after]
}

async function record(
  recorder: Recorder,
  work: string,
  tool: Contestant,
  home: string,
  run: () => ReturnType<Contestant['backup']>,
): Promise<void> {
  const before = tool.storedBytes(home)
  await rest()
  const measured = await run()
  recorder.add(work, tool.name, measured, tool.storedBytes(home) - before)
}

/** Writes out what earlier steps left in the page cache, so that no tool pays for another's. */
export function settle(): void {
  spawnSync('sync')
}

/**
 * The second of two equal restores. A virtual machine gets memory from its host when it is touched, and a repository may
 * be in the page cache or not: who restored first would wait for that, and who comes after it would not.
 */
export async function secondTime(prepare: () => void, restore: () => Promise<Measurement>): Promise<Measurement> {
  prepare()
  await restore()
  prepare()
  settle()
  return await restore()
}

/** A file that was written (or renamed, as ours) a moment ago proves nothing by its times. */
export async function rest(): Promise<void> {
  settle()
  await wait(REST_MS)
}

function assertEqual(wanted: string, found: string): void {
  const { different } = countDifferentPages(wanted, found)
  if (different > 0) throw new Error(`restored database differs from the original in ${different} pages`)
}
