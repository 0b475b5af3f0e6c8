/** `npm run check`: everything that must hold for a commit, but for the slow tests. Runs all steps, then fails if one did. */
import { spawnSync } from 'node:child_process'

interface Step {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

const STEPS: readonly Step[] = [
  { name: 'format', command: 'biome', args: ['check', '.'] },
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings'] },
  { name: 'layers', command: 'depcruise', args: ['src', '--config', '.dependency-cruiser.mjs'] },
  { name: 'unused', command: 'knip', args: [] },
  { name: 'docs', command: 'node', args: ['tools/docs.ts', '--check'] },
  { name: 'build', command: 'node', args: ['tools/build.ts'] },
]

// .ci/run has just run all tests; a person typing `npm run check` has not.
const tests: readonly Step[] = process.argv.includes('--no-tests')
  ? []
  : [{ name: 'tests', command: 'vitest', args: ['run', '--project', 'quick'] }]

const failed: string[] = []
for (const step of [...STEPS, ...tests]) {
  const started = performance.now()
  const { status, error } = spawnSync(step.command, step.args, { stdio: 'inherit' })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const passed = status === 0
  console.log(`${passed ? 'ok  ' : 'FAIL'}  ${step.name} (${seconds} s)${error ? `: ${error.message}` : ''}`)
  if (!passed) failed.push(step.name)
}
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
