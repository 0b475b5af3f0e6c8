/** Numbers of the answer `SSH_FXP_STATUS`. */
export const STATUS = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  unsupported: 8,
} as const

/** What the server answered instead of doing what it was asked. */
export class SftpStatusError extends Error {
  override readonly name = 'SftpStatusError'
  readonly status: number

  /** @param said in the server's words, fit to be printed; may be empty */
  constructor(status: number, said: string) {
    super(said === '' ? `status ${status}` : said)
    this.status = status
  }
}

export type ConnectionProblem =
  | 'host-key-unknown'
  | 'host-key-changed'
  | 'login-refused'
  | 'host-not-found'
  /** The setup of `ssh` itself: its configuration, a key file. */
  | 'bad-setup'
  /** The server lets us in, but offers no SFTP, or something else answers in its place. */
  | 'no-sftp'
  | 'unreachable'
  | 'stalled'
  /** What came is no answer that SFTP knows. */
  | 'protocol'
  | 'lost'

/** The connection could not be made, or is gone. All that was under way on it fails with this. */
export class SftpConnectionError extends Error {
  override readonly name = 'SftpConnectionError'
  readonly problem: ConnectionProblem

  constructor(problem: ConnectionProblem, message: string) {
    super(message)
    this.problem = problem
  }
}
