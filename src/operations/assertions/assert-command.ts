import { Child } from '../../base/child.ts'
import { formatDuration } from '../../base/durations.ts'
import type { CommandAssertion } from '../../model/assertion.ts'
import type { RestoredCopy } from '../../sources/source.ts'
import type { Asserted, AssertionContext } from './asserted.ts'

const EXPECTED = 'exit code 0'

/** Runs a program and waits for its end, or kills it when its time is over. What it prints is dropped but for its last words. */
export async function assertCommand(
  { command, timeoutMs }: CommandAssertion,
  copy: RestoredCopy,
  { signal, environment }: AssertionContext,
): Promise<Asserted> {
  const [program = '', ...args] = command
  const child = await Child.start(program, args, { env: environmentOf(copy, environment), signal })
  let late = false
  const timer = setTimeout(() => {
    late = true
    void child.stop()
  }, timeoutMs)
  try {
    for (const buffer = Buffer.alloc(64 * 1024); (await child.read(buffer)) === buffer.length; );
    const { code, killedBy } = await child.wait()
    if (late) return { passed: false, expected: EXPECTED, found: `no end within ${formatDuration(timeoutMs)}` }
    const end = code === undefined ? `killed by ${killedBy ?? 'a signal'}` : `exit code ${code}`
    if (code === 0) return { passed: true, expected: EXPECTED, found: end }
    return { passed: false, expected: EXPECTED, found: [end, lastLine(child.stderr)].filter(Boolean).join(': ') }
  } finally {
    clearTimeout(timer)
    await child.stop()
  }
}

/** Ours, without what is meant for Lifeboat alone (a repository's password), and with the place of the copy. */
function environmentOf(copy: RestoredCopy, ours: AssertionContext['environment']): Record<string, string> {
  const kept = Object.entries(ours).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('LIFEBOAT_'),
  )
  return {
    ...Object.fromEntries(kept),
    ...(copy.path === undefined ? {} : { LIFEBOAT_RESTORED_PATH: copy.path }),
    ...(copy.server === undefined ? {} : { LIFEBOAT_RESTORED_URL: copy.server.url }),
    ...(copy.server?.password === undefined ? {} : { PGPASSWORD: copy.server.password.reveal() }),
  }
}

const LINE_CHARS = 300

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, LINE_CHARS) ?? ''
}
