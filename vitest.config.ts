import { configDefaults, defineConfig } from 'vitest/config'

const report = process.env['LIFEBOAT_TEST_REPORT']

// A soak, many rounds of a property, a kill at every step, a matrix of versions: `npm run test:slow`, and CI runs both.
const SLOW = ['src/**/*.slow.test.ts', 'test/**/*.slow.test.ts']

const COMMON = {
  // Limits end what hangs and are no assertion: a machine that others use too takes several times as long.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  // Tests start real databases, real processes and worker threads: one fork a file keeps them apart.
  pool: 'forks',
} as const

export default defineConfig({
  test: {
    // Not in the projects: there it would win over the command line.
    maxWorkers: 2,
    // .ci/run reads the counts from a file; people read the terminal.
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        test: {
          ...COMMON,
          name: 'quick',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...SLOW],
        },
      },
      { test: { ...COMMON, name: 'slow', include: SLOW, testTimeout: 900_000 } },
    ],
  },
})
