import { formatDuration } from '../../base/durations.ts'
import { runUserCommand } from '../../base/user-command.ts'
import type { CommandAssertion } from '../../model/assertion.ts'
import type { RestoredCopy } from '../../sources/source.ts'
import type { Asserted, AssertionContext } from './asserted.ts'

const EXPECTED = 'exit code 0'

/** Runs a program and waits for its end, or ends it when its time is over. What it prints is dropped but for its last words. */
export async function assertCommand(
  { command, environment, timeoutMs }: CommandAssertion,
  copy: RestoredCopy,
  { signal, place }: AssertionContext,
): Promise<Asserted> {
  const what = 'the command of an assertion'
  const wanted = { what, command, pass: environment, tell: factsOf(copy), timeoutMs, signal }
  const { code, killedBy, late, stderr } = await runUserCommand(place, wanted)
  if (late) return { passed: false, expected: EXPECTED, found: `no end within ${formatDuration(timeoutMs)}` }
  const end = code === undefined ? `killed by ${killedBy ?? 'a signal'}` : `exit code ${code}`
  if (code === 0) return { passed: true, expected: EXPECTED, found: end }
  return { passed: false, expected: EXPECTED, found: [end, lastLine(stderr)].filter(Boolean).join(': ') }
}

/** Where the copy is, and how to get in. */
function factsOf(copy: RestoredCopy): Record<string, string> {
  return {
    ...(copy.path === undefined ? {} : { LIFEBOAT_RESTORED_PATH: copy.path }),
    ...(copy.server === undefined ? {} : { LIFEBOAT_RESTORED_URL: copy.server.url }),
    ...(copy.server?.password === undefined ? {} : { PGPASSWORD: copy.server.password.reveal() }),
  }
}

const LINE_CHARS = 300

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, LINE_CHARS) ?? ''
}
