import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findTool, runTool } from './process.ts'

describe('runTool', () => {
  it('gives stdin, and returns both outputs and the exit code', async () => {
    const script = 'process.stdin.pipe(process.stdout); console.error("said"); process.exitCode = 7'
    const result = await runTool(process.execPath, ['-e', script], { stdin: Buffer.from([0, 255, 10]) })
    expect(result).toEqual({ code: 7, stdout: Buffer.from([0, 255, 10]), stderr: 'said\n' })
  })

  it('starts no shell, and speaks English', async () => {
    const { stdout } = await runTool('printf', ['%s', '$HOME; echo x'])
    expect(stdout.toString()).toBe('$HOME; echo x')
    const { stdout: locale } = await runTool('sh', ['-c', 'printf "$LC_ALL $ADDED"'], { env: { ADDED: 'yes' } })
    expect(locale.toString()).toBe('C yes')
  })

  it('survives a tool that does not read its stdin', async () => {
    expect((await runTool('true', [], { stdin: Buffer.alloc(1_000_000) })).code).toBe(0)
  })

  it('keeps the end of a long stderr', async () => {
    const { stderr } = await runTool('sh', ['-c', 'head -c 200000 /dev/zero | tr "\\0" x >&2; printf end >&2'])
    expect(stderr).toHaveLength(64 * 1024)
    expect(stderr.endsWith('xend')).toBe(true)
  })

  it('says that a tool is missing', async () => {
    await expect(runTool('lifeboat-no-such-tool', [])).rejects.toMatchObject({ code: 'tool-missing' })
  })

  it('says of a path which file is not there, or may not be run', async () => {
    await expect(runTool('./no-such-program', [])).rejects.toMatchObject({
      code: 'tool-missing',
      message: `there is no program ${resolve('no-such-program')}`,
    })
    await expect(runTool('/etc/passwd', [])).rejects.toMatchObject({ hint: 'Run "chmod +x /etc/passwd".' })
  })

  it('says that a tool was killed', async () => {
    await expect(runTool('sh', ['-c', 'kill -9 $$'])).rejects.toMatchObject({ code: 'tool-failed' })
    await expect(runTool('sh', ['-c', 'kill -2 $$'])).rejects.toMatchObject({ code: 'interrupted' })
  })

  it('stops a tool when told to', async () => {
    const abort = new AbortController()
    const running = runTool('sleep', ['60'], { signal: abort.signal })
    abort.abort()
    await expect(running).rejects.toMatchObject({ code: 'interrupted' })
    await expect(runTool('true', [], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'interrupted' })
  })
})

describe('findTool', () => {
  it('looks along PATH', async () => {
    expect(await findTool('sh')).toMatch(/\/sh$/)
    expect(await findTool('lifeboat-no-such-tool')).toBeUndefined()
  })
})
