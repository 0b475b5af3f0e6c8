import { afterEach, expect, test, vi } from 'vitest'
import { plainEnvironment, toolEnvironment } from './plain-environment.ts'
import { runTool } from './process.ts'

const SECRETS = {
  RESTIC_PASSWORD: 'planted-1',
  LIFEBOAT_PASSWORD: 'planted-2',
  AWS_SECRET_ACCESS_KEY: 'planted-3',
  DATABASE_URL: 'postgres://app:planted-4@host/app',
  GITHUB_TOKEN: 'planted-5',
  B2_ACCOUNT_KEY: 'planted-6',
  PGPASSWORD: 'planted-7',
}
const NEEDED = { PATH: '/usr/bin', HOME: '/root', LC_CTYPE: 'C.UTF-8', TMPDIR: '/tmp', XDG_RUNTIME_DIR: '/run/user/0' }

afterEach(() => vi.unstubAllEnvs())

test('programs get what any program needs, and no secret of ours', () => {
  const ours = { ...SECRETS, ...NEEDED, LD_LIBRARY_PATH: '/opt/lib', KRB5CCNAME: 'FILE:/tmp/x', UNSET: undefined }
  expect(plainEnvironment(ours)).toEqual(NEEDED)
  expect(plainEnvironment(ours, ['GITHUB_TOKEN'])).toEqual({ ...NEEDED, GITHUB_TOKEN: 'planted-5' })
  expect(toolEnvironment(ours)).toEqual({ ...NEEDED, LD_LIBRARY_PATH: '/opt/lib', KRB5CCNAME: 'FILE:/tmp/x' })
})

test('so do tools that we start', async () => {
  for (const [name, value] of Object.entries(SECRETS)) vi.stubEnv(name, value)
  const { stdout } = await runTool('env', [], { env: { OURS: 'given' } })
  expect(stdout.toString()).toMatch(/^OURS=given$/m)
  expect(stdout.toString()).not.toContain('planted')
})
