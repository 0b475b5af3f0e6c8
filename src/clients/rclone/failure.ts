/**
 * Why rclone gave no answer:
 *
 * - `refused`: it ended before its first answer, for a reason that stays: no such remote, an argument that it does not know
 * - `ended`: it ended in the middle, or could not reach its service when it started
 */
export type RcloneProblem = 'refused' | 'ended'

/** rclone is not there any more. The message holds the last line that it wrote. */
export class RcloneFailure extends Error {
  override readonly name = 'RcloneFailure'
  readonly problem: RcloneProblem

  constructor(problem: RcloneProblem, message: string) {
    super(message)
    this.problem = problem
  }
}

const LONGEST_LINE_CHARS = 300
/** `2026/11/30 20:57:02 CRITICAL: ` or `ERROR : data/12/1234: ` */
const PREFIX = /^(?:\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d )?(?:[A-Z]+ *: )?/
/** What may be another thing in a minute. */
const PASSING =
  /\b(dial|lookup|timeout|timed out|connection (refused|reset)|no route|unreachable|temporary failure|EOF|TLS handshake|50[0234]|429)\b/i
/** What stands after these may be a secret: a token in a URL, a header, a setting. */
const SECRET =
  /((?:authorization|bearer|basic|token|secret|password|passwd|pass|api[-_]?key|access[-_]?key[-_a-z]*|sig|signature|credential|session[-_a-z]*)\b["']?\s*[=: ]\s*["']?(?:(?:bearer|basic|digest)\s+)?)[^\s"'&,;]+/gi
const LOGIN = /(:\/\/)[^\s/@]+@/g
const QUERY = /(https?:\/\/[^\s?"']+)\?[^\s"']*/g

/** One line of what rclone wrote, as an error may show it. */
export function shownLine(line: string): string {
  return line
    .trim()
    .replace(PREFIX, '')
    .replace(LOGIN, '$1***@')
    .replace(QUERY, '$1?***')
    .replace(SECRET, '$1***')
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, LONGEST_LINE_CHARS)
}

/** Why it ended, by the line of its output that says most. */
export function failureOf(
  stderr: string,
  { code, killedBy }: { readonly code: number | undefined; readonly killedBy: string | undefined },
  hadAnswered: boolean,
): RcloneFailure {
  const lines = stderr.split(/[\r\n]+/).filter(line => line.trim() !== '')
  const line = lines.findLast(each => /\b(CRITICAL|ERROR|FATAL|Fatal|Error)\b/.test(each)) ?? lines.at(-1)
  const how = killedBy === undefined ? `with code ${code ?? 'none'}` : `by ${killedBy}`
  const message = `rclone ended ${how}${line === undefined ? '' : `: ${shownLine(line)}`}`
  const stays = !hadAnswered && killedBy === undefined && code !== 0 && !PASSING.test(line ?? '')
  return new RcloneFailure(stays ? 'refused' : 'ended', message)
}
