import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PassedPart, SlowLine } from '../../test/helpers/slow-line.ts'
import { CACHE, type RunningServer, startServer } from '../../test/helpers/start-server.ts'
import { PASSWORD, sizeOf } from './contestant.ts'
import { type Measurement, measure } from './measure.ts'
import { NEWEST_RESTIC, prepareDatabases, type RaceContext, rest, settle } from './races.ts'
import { formatBytes } from './report.ts'

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDBENCH', AWS_SECRET_ACCESS_KEY: 'benchbench', AWS_REGION: 'us-east-1' }
/** 100 Mbit/s, and 50 ms there and back. */
const LINE = { bytesPerSecond: 12_500_000, latencyMs: 25 }
const LINE_NAME = '100 Mbit/s and 50 ms'
/** What a full line would take, as a tool of its own. */
const THE_LINE = 'the line'

/** A tool with a repository in a bucket. `home` is a folder for what it keeps on this machine. */
interface FarTool {
  readonly name: string
  init(home: string, url: string, file: string): Promise<void>
  backup(home: string): Promise<Measurement>
  restore(home: string, file: string, target: string): Promise<Measurement>
  /** Into another, empty repository of the same tool. */
  copy(home: string, to: string): Promise<Measurement>
}

function lifeboat(bin: readonly string[]): FarTool {
  const run = (home: string, ...args: string[]): Promise<Measurement> =>
    measure([...bin, ...args, '--config', join(home, 'lifeboat.yaml')], { cwd: home, env: KEYS })
  const configure = (home: string, repositories: Readonly<Record<string, string>>, file: string): void => {
    writeFileSync(join(home, 'password'), PASSWORD, { mode: 0o600 })
    const lines = Object.entries(repositories).map(
      ([name, url]) => `  ${name}: { url: "${url}", passwordFile: ./password }`,
    )
    writeFileSync(
      join(home, 'lifeboat.yaml'),
      ['repositories:', ...lines, 'sources:', `  app: { kind: sqlite, path: ${JSON.stringify(file)} }`, ''].join('\n'),
    )
  }
  return {
    name: 'lifeboat',
    init: async (home, url, file) => {
      configure(home, { main: url, other: `${url}-copy` }, file)
      await run(home, 'init', '--yes')
    },
    backup: home => run(home, 'backup', 'app', '--repo', 'main'),
    restore: (home, _file, target) => run(home, 'restore', 'app', 'latest', '--repo', 'main', '--to', target, '--yes'),
    copy: home => run(home, 'copy', '--from', 'main', '--to', 'other'),
  }
}

function restic(program: string): FarTool {
  const urls = new Map<string, string>()
  const run = (home: string, url: string, ...args: string[]): Promise<Measurement> =>
    measure([program, '-r', url, '--cache-dir', join(home, 'cache'), ...args], {
      env: { ...KEYS, RESTIC_PASSWORD: PASSWORD, RESTIC_FROM_PASSWORD: PASSWORD },
    })
  const urlOf = (home: string): string => urls.get(home) ?? ''
  let backedUp = ''
  return {
    name: NEWEST_RESTIC,
    init: async (home, url, file) => {
      urls.set(home, url)
      backedUp = file
      await run(home, url, 'init')
      await run(home, `${url}-copy`, 'init', '--copy-chunker-params', '--from-repo', url)
    },
    backup: home => run(home, urlOf(home), 'backup', backedUp),
    restore: (home, _file, target) => run(home, urlOf(home), 'restore', 'latest', '--target', `${target}.restic`),
    copy: (home, to) => run(home, to, 'copy', '--from-repo', urlOf(home)),
  }
}

interface Far {
  readonly server: RunningServer
  /** Buckets are folders in it. */
  readonly root: string
  readonly tools: readonly FarTool[]
}

/** One database in a bucket of a server on this machine: fully, changed, unchanged, restored, copied; then over a slow line. */
export async function raceFar(context: RaceContext): Promise<void> {
  const versitygw = join(CACHE, 'versitygw-1.8.0/versitygw')
  const newest = join(CACHE, 'restic-0.19.1/restic')
  if (!existsSync(versitygw)) return context.say(`no S3 server at ${versitygw}: left out`)
  const tools = [
    ...(context.bin ? [lifeboat(context.bin)] : []),
    ...(existsSync(newest) && context.tools.includes('restic') ? [restic(newest)] : []),
  ]
  const root = join(context.dir, 'far')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(join(root, 'server/bucket'), { recursive: true })
  const server = await startServer(
    versitygw,
    port => ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', join(root, 'server')],
    { ROOT_ACCESS_KEY: KEYS.AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: KEYS.AWS_SECRET_ACCESS_KEY },
  )
  const far = { server, root, tools }
  try {
    const [before, after] = prepareDatabases(context)
    for (let round = 1; round <= context.rounds; round++) {
      for (const tool of tools) {
        context.say(`round ${round} of ${context.rounds}: ${tool.name} in a bucket`)
        await raceNear(context, far, tool, before, after)
        await raceSlowly(context, far, tool, before)
      }
    }
  } finally {
    await server.close()
    rmSync(root, { recursive: true, force: true })
  }
}

async function raceNear(context: RaceContext, far: Far, tool: FarTool, before: string, after: string): Promise<void> {
  const { recorder, dir, say } = context
  const file = join(dir, 'app.db')
  const { home, bucket, url } = place(far, far.server.port, 'near')
  const record = async (work: string, run: () => Promise<Measurement>): Promise<void> => {
    const stored = bytesBelow(bucket)
    await rest()
    const measured = await run()
    recorder.add(work, tool.name, measured, bytesBelow(bucket) - stored)
  }
  await tool.init(home, url, file)
  renameSync(before, file)
  try {
    await record('S3, first backup', () => tool.backup(home))
    renameSync(file, before)
    renameSync(after, file)
    await record('S3, after 1 % of pages changed', () => tool.backup(home))
    await record('S3, nothing changed', () => tool.backup(home))
  } finally {
    renameSync(file, existsSync(before) ? after : before)
  }
  await restoreTwice(context, tool, home, file, 'S3, restore whole')
  settle()
  recorder.add(
    'S3, copy to another repository',
    tool.name,
    await tool.copy(home, `${url}-copy`),
    bytesBelow(`${bucket}-copy`),
  )
  say(
    `${tool.name}: ${countBelow(join(bucket, 'data'))} packs, copied as ${countBelow(join(`${bucket}-copy`, 'data'))}`,
  )
  rmSync(bucket, { recursive: true })
  rmSync(`${bucket}-copy`, { recursive: true })
}

async function restoreTwice(
  { dir, recorder }: RaceContext,
  tool: FarTool,
  home: string,
  file: string,
  work: string,
): Promise<void> {
  const target = join(dir, 'restored.db')
  for (const counts of [false, true]) {
    for (const end of ['', '-wal', '-shm', '.restic']) rmSync(target + end, { recursive: true, force: true })
    settle()
    const measured = await tool.restore(home, file, target)
    if (counts) recorder.add(work, tool.name, measured)
  }
  for (const end of ['', '-wal', '-shm', '.restic']) rmSync(target + end, { recursive: true, force: true })
}

/** How full is the line? Beside each tool stands what its bytes take at the line's rate. */
async function raceSlowly(context: RaceContext, far: Far, tool: FarTool, file: string): Promise<void> {
  const { recorder, dir, say } = context
  const line = await SlowLine.start(far.server.port, LINE)
  const { home, bucket, url } = place(far, line.port, 'slow')
  const over = async (way: 'up' | 'down', what: string, run: () => Promise<Measurement>): Promise<void> => {
    line.passed[way].length = 0
    const measured = await run()
    const bytes = sum(line.passed[way])
    const wallMs = fullMs(bytes)
    const work = `${LINE_NAME}, ${what}`
    recorder.add(`${work}, ${tool.name}`, tool.name, measured)
    recorder.add(`${work}, ${tool.name}`, THE_LINE, { wallMs, cpuMs: 0, peakBytes: 0, stdout: '' })
    const fill = percentFull(line.passed[way])
    say(`${work}, ${tool.name}: ${formatBytes(bytes)}, the line ${fill} % full while it flows`)
  }
  try {
    await tool.init(home, url, file)
    await rest()
    await over('up', 'first backup', () => tool.backup(home))
    const target = join(dir, 'restored.db')
    await over('down', 'restore whole', () => tool.restore(home, file, target))
    for (const end of ['', '-wal', '-shm', '.restic']) rmSync(target + end, { recursive: true, force: true })
  } finally {
    await line.close()
    rmSync(bucket, { recursive: true, force: true })
    rmSync(`${bucket}-copy`, { recursive: true, force: true })
  }
}

const sum = (parts: readonly PassedPart[]): number => parts.reduce((all, { bytes }) => all + bytes, 0)
const fullMs = (bytes: number): number => (bytes / LINE.bytesPerSecond) * 1000

/** Between the first and the last hundredth of the bytes: without the start of the program and what it does at the end. */
function percentFull(parts: readonly PassedPart[]): string {
  const all = sum(parts)
  let before = 0
  const within = parts.filter(({ bytes }) => {
    before += bytes
    return before > all * 0.01 && before < all * 0.99
  })
  const flowedMs = (within.at(-1)?.atMs ?? 0) - (within[0]?.atMs ?? 0)
  return ((100 * fullMs(sum(within))) / flowedMs).toFixed(0)
}

function place(far: Far, port: number, name: string): { home: string; bucket: string; url: string } {
  const home = join(far.root, 'home')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home)
  const url = `s3:http://127.0.0.1:${port}/bucket/${name}`
  return { home, bucket: join(far.root, 'server/bucket', name), url }
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
  return found.filter(each => each.isFile()).map(each => join(each.parentPath, each.name))
}

const bytesBelow = (folder: string): number => (existsSync(folder) ? sizeOf(folder) : 0)
const countBelow = (folder: string): number => filesBelow(folder).length
