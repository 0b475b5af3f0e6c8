import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { runCommand, runLifeboat, startLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const BIN = join(import.meta.dirname, '../../bin/lifeboat')
const isRoot = process.geteuid?.() === 0

describe.runIf(isRoot)('a configuration that another user left above us', () => {
  test('runs nothing unless it is named and vouched for', async () => {
    const open = makeTempDir()
    chmodSync(open, 0o777)
    const project = join(open, 'project')
    mkdirSync(project)
    const config = join(open, 'lifeboat.yaml')
    const ran = join(open, 'ran')
    writeFileSync(config, `repositories:\n  main: { url: ./r, passwordCommand: [sh, -c, "touch ${ran}; echo pw"] }\n`)
    chownSync(config, 12_345, 12_345)
    for (const args of [['snapshots'], ['snapshots', '--config', config]]) {
      const { code, stderr } = await runLifeboat(args, { cwd: project })
      expect({ code, ran: existsSync(ran) }).toEqual({ code: 2, ran: false })
      expect(stderr).toMatch(/belongs to user 12345\n.*--config .*lifeboat.yaml --trust-config/)
    }
    const alone = await runLifeboat(['snapshots', '--trust-config'], { cwd: project })
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('--trust-config needs --config')])
    const vouched = await runLifeboat(['snapshots', '--config', config, '--trust-config'], { cwd: project })
    expect([vouched.code, existsSync(ran)]).toEqual([10, true])
  })
})

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a command that waits for its configuration from a pipe with %i', async (signal, code) => {
    const pipe = join(makeTempDir(), 'pipe')
    execFileSync('mkfifo', [pipe])
    const running = startLifeboat(['snapshots', '--config', pipe])
    await wait(1500)
    running.child.kill(signal)
    const result = await running.result
    expect(result.signal === undefined ? result.code : signal).toBe(result.signal === undefined ? code : result.signal)
    expect(result.stderr).toContain('interrupted')
  })

  test('a configuration comes from a pipe, a descriptor or stdin too', async () => {
    const dir = makeTempDir()
    const text = 'repositories: { main: { url: ./r, password: x } }\n'
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    writeFileSync(join(dir, 'real'), text)
    const script = `(sleep 0.3; cat real > pipe) & "$0" snapshots --config pipe; "$0" snapshots --config <(cat real); "$0" snapshots --config /dev/stdin < real; cat real | "$0" snapshots --config /dev/stdin`
    const { stderr } = await runCommand('bash', ['-c', script, BIN], { cwd: dir })
    expect(stderr.match(/no repository at/g)).toHaveLength(4)
  })

  test('nohup stays in force', async () => {
    const dir = makeTempDir()
    // It says that it began, and waits for the signal to be sent.
    const asked = 'touch began; until [ -e sent ]; do sleep 0.05; done'
    const config = `repositories: { main: { url: ./r, passwordCommand: [sh, -c, "${asked}"] } }\n`
    mkdirSync(join(dir, 'r'))
    writeFileSync(join(dir, 'lifeboat.yaml'), config)
    const script = 'nohup "$0" init --yes & until [ -e began ]; do sleep 0.05; done; kill -HUP $!; touch sent; wait $!'
    const { code, stderr } = await runCommand('bash', ['-c', script, BIN], { cwd: dir })
    expect(stderr).not.toContain('interrupted')
    expect(code).toBe(2)
  })
})

describe('an output that takes nothing', () => {
  test.each([
    ['a full disk', ['--version']],
    ['a full disk, as JSON', ['--version', '--json']],
    ['a full disk, for an error as JSON', ['snapshots', '--config', 'none', '--json']],
  ])('%s: an error, without a stack', async (_what, args) => {
    const { code, stderr } = await runCommand('bash', ['-c', '"$0" "$@" > /dev/full', BIN, ...args])
    expect(code).toBeGreaterThan(0)
    expect(stderr).toMatch(/^error: /)
    expect(stderr).not.toMatch(/ {4}at |bug in Lifeboat/)
  })

  test('a closed pipe ends it as any program, without a word', async () => {
    const script =
      '"$0" --help --json | true; echo "${PIPESTATUS[0]}"; "$0" doctor --json | true; echo "${PIPESTATUS[0]}"'
    const { stdout, stderr } = await runCommand('bash', ['-c', script, BIN], { cwd: makeTempDir() })
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^(0|141)\n141\n$/), ''])
  })
})

test('a user without a name and without a home gets a sentence or a result, never a stack', async () => {
  const dir = makeTempDir()
  chmodSync(dir, 0o777)
  const env = { HOME: undefined, XDG_CACHE_HOME: undefined }
  const args = isRoot ? ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'] : ['env']
  for (const command of [['--version'], ['doctor'], ['snapshots']]) {
    const { stderr, stdout } = await runCommand(
      args[0] ?? '',
      [...args.slice(1), process.execPath, `${BIN}.js`, ...command],
      { cwd: dir, env },
    )
    expect(stdout + stderr).not.toMatch(/ {4}at |bug in Lifeboat|ERR_SYSTEM_ERROR/)
  }
})

test('a configuration that was named has to be there, for doctor too', async () => {
  const dir = makeTempDir()
  const named = await runLifeboat(['doctor', '--config', 'none.yaml'], { cwd: dir })
  expect([named.code, named.stdout]).toEqual([1, expect.stringContaining('no configuration at')])
  expect(named.stdout).not.toContain('All is well')
})
