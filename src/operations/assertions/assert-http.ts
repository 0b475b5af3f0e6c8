import { formatDuration } from '../../base/durations.ts'
import { messageOf } from '../../base/errors.ts'
import { webRequest } from '../../base/web-request.ts'
import type { HttpAssertion } from '../../model/assertion.ts'
import type { Asserted } from './asserted.ts'

/** Of an answer, this much is searched. */
const LIMIT_BYTES = 4 * 1024 * 1024

/** Gets a URL. A redirection is followed, unless one is what is expected. */
export async function assertHttp(assertion: HttpAssertion, signal: AbortSignal): Promise<Asserted> {
  const { http, status, contains, timeoutMs } = assertion
  const expected = contains === undefined ? `status ${status}` : `status ${status}, with "${contains}"`
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const redirect = status >= 300 && status < 400 ? 'manual' : 'follow'
    const answer = await webRequest(http, { redirect, signal: AbortSignal.any([signal, timeout]) })
    const body = contains === undefined ? '' : await readStart(answer)
    await answer.body?.cancel().catch(() => {})
    if (answer.status !== status) return { passed: false, expected, found: `status ${answer.status}` }
    const passed = contains === undefined || body.includes(contains)
    return { passed, expected, found: passed ? expected : `status ${answer.status}, without it` }
  } catch (error) {
    if (signal.aborted) throw error
    const found = timeout.aborted ? `no answer within ${formatDuration(timeoutMs)}` : messageOf(error)
    return { passed: false, expected, found }
  }
}

async function readStart(answer: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of answer.body ?? []) {
    parts.push(part)
    bytes += part.length
    if (bytes >= LIMIT_BYTES) break
  }
  return Buffer.concat(parts).toString('utf8')
}
