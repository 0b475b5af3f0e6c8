import type { AdapterContext } from '../base/adapter-context.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { Config } from '../config/load.ts'
import { asPasswordReference, loadSecret } from '../config/secrets.ts'
import type { Finding } from '../model/finding.ts'

export interface AdapterSurroundings {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly onFinding: (finding: Finding) => void
}

/** @param subject what the adapter is for, in errors: `repository main` */
export function adapterContextOf(
  { baseDir, environment, trust }: Pick<Config, 'baseDir' | 'environment' | 'trust'>,
  around: AdapterSurroundings,
  subject: string,
): AdapterContext {
  return {
    baseDir,
    environment,
    loadSecret: async (what, reference) => {
      const place = { subject, what, baseDir, environment, trust, signal: around.signal }
      const { secret, findings } = await loadSecret(asPasswordReference(reference), place)
      for (const finding of findings) around.onFinding(finding)
      return secret
    },
    clock: around.clock,
    random: around.random,
    logger: around.logger,
  }
}
