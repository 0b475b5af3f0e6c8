/**
 * The one table of everything that can go wrong on purpose: code -> exit status of the CLI, HTTP status, and whether
 * trying the same again may help. Exit codes 1, 3, 10, 11, 12 and 130 mean what restic's mean; ours start at 20.
 *
 * @see https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
 */
interface ErrorTraits {
  readonly exit: number
  readonly http: number
  readonly retry: boolean
}

const traits = (exit: number, http: number, retry = false): ErrorTraits => ({ exit, http, retry })

export const ERROR_CODES = {
  // usage and configuration
  usage: traits(2, 400),
  'config-not-found': traits(2, 404),
  'config-invalid': traits(2, 422),
  'config-untrusted': traits(2, 403),
  'config-exists': traits(2, 409),
  'not-found': traits(1, 404),
  unsupported: traits(2, 422),
  // repository
  'no-repository': traits(10, 404),
  'repository-exists': traits(1, 409),
  'repository-locked': traits(11, 423, true),
  'wrong-password': traits(12, 401),
  'repository-too-new': traits(1, 422),
  damaged: traits(22, 500),
  'snapshot-not-found': traits(1, 404),
  'ambiguous-id': traits(1, 409),
  'last-key': traits(1, 409),
  'copy-later': traits(3, 502, true),
  // storage
  'storage-not-found': traits(1, 404),
  'storage-exists': traits(1, 409),
  'storage-too-short': traits(1, 502),
  'storage-full': traits(1, 507),
  'storage-denied': traits(1, 403),
  'storage-locked': traits(1, 423),
  'storage-archived': traits(27, 409),
  'storage-busy': traits(1, 503, true),
  'storage-failed': traits(1, 502, true),
  // sources and targets
  'source-unreachable': traits(20, 502, true),
  'source-invalid': traits(20, 422),
  'source-busy': traits(20, 423, true),
  'target-exists': traits(1, 409),
  'target-in-use': traits(1, 409, true),
  'target-invalid': traits(1, 422),
  'target-full': traits(1, 507, true),
  'entry-lost': traits(3, 500),
  // plans
  'plan-declined': traits(23, 409),
  'plan-outdated': traits(23, 409),
  // scheduler
  'already-running': traits(1, 409),
  'notify-failed': traits(1, 502, true),
  // outcomes
  'verification-failed': traits(21, 500),
  incomplete: traits(3, 500),
  'tool-missing': traits(1, 500),
  'tool-failed': traits(1, 502, true),
  interrupted: traits(130, 499, true),
  failed: traits(1, 500),
} as const satisfies Record<string, ErrorTraits>

export type ErrorCode = keyof typeof ERROR_CODES
