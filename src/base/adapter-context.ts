import type { Bandwidth } from './bandwidth.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import type { Random } from './random.ts'
import type { Secret } from './secret.ts'

/** Where a secret comes from; exactly one of file, environment variable and command. */
export type SecretReference =
  | { readonly file: string }
  | { readonly env: string }
  | { readonly command: readonly string[]; readonly commandEnv?: readonly string[] | undefined }

/** What an adapter gets beside its own options. It reaches for nothing by itself: no `process.env`, no clock of its own. */
export interface AdapterContext {
  /** Relative paths are relative to this folder (the one of `lifeboat.yaml`). */
  readonly baseDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** `what` names the secret in errors: `secret access key`. */
  readonly loadSecret: (what: string, reference: SecretReference) => Promise<Secret>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** How fast it may take from and give to its line, over all connections; undefined: as fast as it goes. */
  readonly bandwidth?: Bandwidth | undefined
}
