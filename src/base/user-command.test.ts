import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { TRUST_OURS } from './believed-file.ts'
import { killUserCommands, requireUserCommand, runUserCommand } from './user-command.ts'

const SECRETS = {
  LIFEBOAT_PASSWORD: 'p1',
  RESTIC_PASSWORD: 'p2',
  PGPASSWORD: 'p3',
  DATABASE_URL: 'postgres://u:p4@h/d',
  AWS_SECRET_ACCESS_KEY: 'p5',
}

let dir = ''
beforeEach(() => {
  dir = makeTempDir()
})

function run(script: string, rest: { timeoutMs?: number; signal?: AbortSignal; pass?: string[] } = {}) {
  const environment = { ...process.env, ...SECRETS }
  const { timeoutMs = 20_000, ...more } = rest
  return runUserCommand(
    { cwd: dir, environment, trust: TRUST_OURS },
    { what: 'the hook', command: ['sh', '-c', script], tell: { LIFEBOAT_RUN: 'r1' }, timeoutMs, ...more },
  )
}

/** Of a process that a script noted; undefined until it has. */
function isRunning(name: string): boolean | undefined {
  const note = join(dir, name)
  if (!existsSync(note) || readFileSync(note, 'utf8').trim() === '') return undefined
  const stat = spawnSync('ps', ['-o', 'stat=', '-p', readFileSync(note, 'utf8').trim()], { encoding: 'utf8' }).stdout
  return stat.trim() !== '' && !stat.startsWith('Z')
}

it('names the interpreter that a script lacks, before anything runs', async () => {
  const script = join(dir, 'start')
  writeFileSync(script, '#! /no/such/interpreter -x\necho started\n', { mode: 0o755 })
  const place = { cwd: dir, environment: process.env, trust: TRUST_OURS }
  await expect(requireUserCommand(place, { what: 'the hook', command: ['./start'] })).rejects.toMatchObject({
    code: 'tool-missing',
    message: `the hook: ${script} needs /no/such/interpreter, which is not there`,
  })
  writeFileSync(script, '#!/bin/sh\necho started\n')
  await requireUserCommand(place, { what: 'the hook', command: ['./start'] })
})

it('gives what any program needs, what it is told and what is named, and no secret', async () => {
  const { stdout } = await run('env', { pass: ['PGPASSWORD'] })
  for (const known of ['PATH=', 'LIFEBOAT_RUN=r1', 'PGPASSWORD=p3']) expect(stdout).toContain(known)
  expect(stdout).not.toMatch(/p1|p2|p4|p5/)
})

it('runs in its folder, reads nothing, and tells how it ended', async () => {
  const { code, stdout, stderr } = await run('pwd; cat; echo bad >&2; exit 5')
  expect({ code, stdout: stdout.trim(), stderr }).toEqual({ code: 5, stdout: dir, stderr: 'bad\n' })
  expect(await run('kill -9 $$')).toMatchObject({ code: undefined, killedBy: 'SIGKILL', late: false })
})

it('keeps the end of an output without end', async () => {
  const { stdout, code } = await run('yes lifeboat | head -c 3000000; echo end')
  expect(code).toBe(0)
  expect(stdout.length).toBeLessThanOrEqual(64 * 1024)
  expect(stdout.endsWith('end\n')).toBe(true)
})

it('does not wait for what it leaves running with its output, and leaves that running', async () => {
  const end = await run('sleep 60 & echo $! > left; exit 0', { timeoutMs: 15_000 })
  expect(end).toMatchObject({ code: 0, late: false })
  expect(isRunning('left')).toBe(true)
  spawnSync('kill', [readFileSync(join(dir, 'left'), 'utf8').trim()])
})

it.each<[string, string]>([
  ['grandchildren', '(sleep 60 & echo $! > grandchild; wait) & wait'],
  ['those that ignore to be asked', 'sh -c \'trap "" TERM; echo $$ > grandchild; while :; do sleep 0.1; done\' & wait'],
])('ends %s too when its time is over', async (_what, script) => {
  expect(await run(script, { timeoutMs: 500 })).toMatchObject({ late: true })
  await expect.poll(() => isRunning('grandchild')).toBe(false)
})

it('is interrupted with all that it started, and killed at our sudden end', async () => {
  for (const end of ['interrupt', 'kill'] as const) {
    const stop = new AbortController()
    const running: Promise<unknown> = run(`(sleep 60 & echo $! > ${end}; wait) & wait`, {
      signal: stop.signal,
    }).catch((error: unknown) => error)
    await expect.poll(() => isRunning(end)).toBe(true)
    if (end === 'interrupt') stop.abort()
    else killUserCommands()
    expect(await running).toMatchObject(end === 'interrupt' ? { code: 'interrupted' } : { killedBy: 'SIGKILL' })
    await expect.poll(() => isRunning(end)).toBe(false)
  }
})
