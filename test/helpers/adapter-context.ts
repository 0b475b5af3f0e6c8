import { tmpdir } from 'node:os'
import type { AdapterContext } from '../../src/base/adapter-context.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Secret } from '../../src/base/secret.ts'

/** What an adapter gets beside its own options. Its only secrets are those of variables in `environment`. */
export function adapterContext(environment: AdapterContext['environment'] = process.env): AdapterContext {
  return {
    baseDir: tmpdir(),
    environment,
    loadSecret: async (what, reference) => {
      const value = 'env' in reference ? environment[reference.env] : undefined
      if (value === undefined) throw new Error(`no ${what} for this test`)
      return new Secret(value)
    },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  }
}
