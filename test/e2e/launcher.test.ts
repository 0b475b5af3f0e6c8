import { spawnSync } from 'node:child_process'
import { existsSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { OLD_NODE as OLD } from '../helpers/old-node.ts'
import { runCommand, runLifeboat, startCommand } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.js')

if (OLD === undefined) console.warn('skipped: starting from an old Node (there is none on this machine)')

describe('streams', () => {
  test('results on stdout, all else on stderr; a closed pipe is no failure', async () => {
    const { stdout, stderr, code } = await runLifeboat(['--version'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^lifeboat \d+\.\d+\.\d+\n$/)
    const piped = await runCommand('sh', ['-c', `"${process.execPath}" "${BIN}" completion bash | head -1; exit 0`])
    expect(piped.stderr).toBe('')
  })

  test('no warning of Node comes through', async () => {
    const dir = makeTempDir()
    writeFileSync(join(dir, 'lifeboat.yaml'), 'repositories: {}\n')
    const { stderr } = await runLifeboat(['doctor'], { cwd: dir })
    expect(stderr).not.toMatch(/Warning/)
  })
})

describe.skipIf(OLD === undefined)('from an old Node', () => {
  const old = OLD ?? ''

  test('hands over to the Node beside the package: output and exit code come through', async () => {
    const good = await runCommand(old, [BIN, 'doctor', '--json'], { cwd: makeTempDir() })
    expect(good.code).toBe(0)
    expect(good.stdout).toContain('"node"')
    expect((await runCommand(old, [BIN, 'nonsense'])).code).toBe(2)
  })

  test('kill -9 of the starter ends what it started', async () => {
    const dir = makeTempDir()
    // A password command that hangs keeps the command busy.
    writeFileSync(join(dir, 'lifeboat.yaml'), 'repositories:\n  main: { url: ./r, passwordCommand: [sleep, "30"] }\n')
    const running = startCommand(old, [BIN, 'snapshots'], { cwd: dir })
    const child = await childOf(running.child.pid ?? 0)
    expect(readlinkSync(`/proc/${child}/exe`)).not.toBe(old)
    running.child.kill('SIGKILL')
    await running.result
    await expect.poll(() => existsSync(`/proc/${child}/exe`), { timeout: 60_000 }).toBe(false)
  })

  test('a signal to the starter interrupts the command once', async () => {
    const dir = makeTempDir()
    writeFileSync(join(dir, 'lifeboat.yaml'), 'repositories:\n  main: { url: ./r, passwordCommand: [sleep, "30"] }\n')
    const running = startCommand(old, [BIN, 'init', '--yes'], { cwd: dir })
    await childOf(running.child.pid ?? 0)
    await wait(600)
    running.child.kill('SIGINT')
    const { code, stderr } = await running.result
    expect([code, stderr]).toEqual([130, expect.stringContaining('interrupted')])
  })
})

/** The process id of the only child, once there is one. */
async function childOf(pid: number): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    const [child] = stdout.trim().split(/\s+/)
    if (child !== undefined && child !== '') return child
    await wait(50)
  }
  throw new Error('the starter started nothing')
}

test('the shell hands over to Node, by a link too, with the words as they are', async () => {
  const dir = makeTempDir()
  const link = join(dir, 'lifeboat')
  symlinkSync(join(dirname(BIN), 'lifeboat'), link)
  const words = ['wal', 'push', "it's", '', 'a  b*', '$HOME']
  const echo = join(dir, 'echo')
  writeFileSync(echo, `#!/bin/sh\nprintf '%s|' "$@"\n`, { mode: 0o755 })
  const { stdout } = await runCommand(link, words, { env: { LIFEBOAT_NODE: echo } })
  expect(stdout).toBe([BIN, ...words, ''].join('|'))
})
