import { defineConfig } from 'vitest/config'

const report = process.env['LIFEBOAT_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests start real databases, real processes and worker threads: one fork a file keeps them apart.
    pool: 'forks',
    maxWorkers: 2,
    // .ci/run reads the counts from a file; people read the terminal.
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
