import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Child } from './child.ts'
import { isAppError } from './errors.ts'

const env = { PATH: process.env['PATH'] ?? '' }
const node = (script: string, more: object = {}): Promise<Child> =>
  Child.start(process.execPath, ['-e', script], { env, ...more })

describe('Child', () => {
  it('delivers all of stdout however it is read, and holds the child back while nobody reads', async () => {
    const child = await node(`
      const block = Buffer.alloc(1 << 20, 'x'); let n = 0
      const go = () => { while (n < 8) { n++; if (!process.stdout.write(block)) return process.stdout.once('drain', go) } }
      go()`)
    const hash = createHash('sha256')
    let total = 0
    const into = Buffer.alloc(777_777)
    for (let count = into.length; count === into.length; total += count) {
      count = await child.read(into)
      hash.update(into.subarray(0, count))
    }
    expect(total).toBe(8 << 20)
    expect(hash.digest('hex')).toBe(
      createHash('sha256')
        .update(Buffer.alloc(8 << 20, 'x'))
        .digest('hex'),
    )
    expect(await child.wait()).toEqual({ code: 0, killedBy: undefined })
  })

  it('keeps stderr apart and tells the exit code', async () => {
    const seen: string[] = []
    const child = await node(`console.log('out'); console.error('a\\nb'); process.exitCode = 7`, {
      onStderrLine: (line: string) => seen.push(line),
    })
    expect(await child.readText()).toBe('out\n')
    expect((await child.wait()).code).toBe(7)
    expect(child.stderr).toBe('a\nb\n')
    expect(seen).toEqual(['a', 'b'])
  })

  it('writes to stdin with back pressure and reads lines', async () => {
    const child = await node('process.stdin.pipe(process.stdout)', { stdin: 'pipe' })
    const lines: string[] = []
    const reading = (async () => {
      for await (const line of child.lines()) lines.push(line.toString())
    })()
    for (let i = 0; i < 20_000; i++) await child.write(Buffer.from(`line ${i}\n`))
    child.endInput()
    await reading
    expect(lines).toHaveLength(20_000)
    expect(lines.at(-1)).toBe('line 19999')
  })

  it('does not hang on a child that ends without reading', async () => {
    const child = await node('process.stdin.destroy(); setTimeout(() => process.exit(3), 50)', { stdin: 'pipe' })
    const block = Buffer.alloc(1 << 20)
    let taken = true
    for (let i = 0; i < 50 && taken; i++) taken = await child.write(block)
    expect(taken).toBe(false)
    expect((await child.wait()).code).toBe(3)
  })

  it('is killed by its signal', async () => {
    const abort = new AbortController()
    const child = await node('setInterval(() => {}, 1000)', { signal: abort.signal })
    abort.abort()
    const error = await child.wait().catch((reason: unknown) => reason)
    expect(isAppError(error, 'interrupted')).toBe(true)
    expect(() => process.kill(child.pid, 0)).toThrow(/ESRCH/)
  })

  it('tells a signal from an exit, and stops twice', async () => {
    const child = await node('setInterval(() => {}, 1000)')
    await Promise.all([child.stop(), child.stop()])
    expect(await child.wait()).toEqual({ code: undefined, killedBy: 'SIGTERM' })
    await child.stop()
  })

  it('names a program that is not there', async () => {
    const error = await Child.start('/nowhere/pg_dump', [], { env }).catch((reason: unknown) => reason)
    expect(isAppError(error, 'tool-missing') && error.message).toBe('pg_dump is not installed')
  })
})
