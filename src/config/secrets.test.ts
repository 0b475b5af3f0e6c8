import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import { loadSecret, type SecretReference } from './secrets.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-secrets-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const load = (reference: SecretReference) =>
  loadSecret(reference, { subject: 'repository main', baseDir: folder, environment: { PW: 'from env' } })

async function errorOf(reference: SecretReference): Promise<AppError> {
  const error = await load(reference).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}

test('reads a file without its last line break, and warns when others can read it', async () => {
  await writeFile(join(folder, 'pw'), ' päss word \n\n', { mode: 0o600 })
  const own = await load({ passwordFile: 'pw' })
  expect([own.secret.reveal(), own.findings]).toEqual([' päss word \n', []])
  await chmod(join(folder, 'pw'), 0o640)
  const shared = await load({ passwordFile: 'pw' })
  expect(shared.findings.map(finding => finding.code)).toEqual(['password-file-readable'])
})

test('reads the environment and a command, without a shell', async () => {
  expect((await load({ passwordEnv: 'PW' })).secret.reveal()).toBe('from env')
  const echo = await load({ passwordCommand: ['printf', '%s\\n', '$(id) `id` $HOME'] })
  expect(echo.secret.reveal()).toBe('$(id) `id` $HOME')
})

test('says what is missing, and never what a failing command wrote', async () => {
  expect((await errorOf({ passwordFile: 'gone' })).message).toContain('no password file')
  await writeFile(join(folder, 'empty'), '\n', { mode: 0o600 })
  expect((await errorOf({ passwordFile: 'empty' })).message).toContain('is empty')
  expect((await errorOf({ passwordEnv: 'UNSET' })).message).toContain('UNSET')
  expect((await errorOf({ passwordCommand: ['no-such-program-here'] })).message).toContain('not found')
  const failing = await errorOf({ passwordCommand: ['sh', '-c', 'echo hunter2; echo hunter2 >&2; exit 3'] })
  expect(failing.message).toContain('exit code 3')
  expect(`${failing.message} ${JSON.stringify(failing.context)} ${String(failing.cause)}`).not.toContain('hunter2')
})
