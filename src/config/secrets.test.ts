import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TRUST_OURS } from '../base/believed-file.ts'
import { AppError } from '../base/errors.ts'
import { loadSecret, type SecretReference } from './secrets.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-secrets-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const load = (reference: SecretReference) =>
  loadSecret(reference, {
    subject: 'repository main',
    baseDir: folder,
    environment: { PW: 'from env', PATH: process.env['PATH'] },
    trust: TRUST_OURS,
  })

async function errorOf(reference: SecretReference): Promise<AppError> {
  const error = await load(reference).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}

// restic's textfile.Read and strings.TrimSpace: a repository must open for both with the same file.
test.each([
  ['white space around', Buffer.from(' \t päss word\u0085\u00a0\r\n\n')],
  ['a byte order mark', Buffer.from('\ufeffpäss word\n')],
  ['UTF-16, little end first', Buffer.from('\ufeffpäss word\r\n', 'utf16le')],
  ['UTF-16, big end first', Buffer.from('\ufeffpäss word\r\n', 'utf16le').swap16()],
])('reads a file with %s as restic does', async (_what, bytes) => {
  await writeFile(join(folder, 'pw'), bytes, { mode: 0o600 })
  expect((await load({ passwordFile: 'pw' })).secret.reveal()).toBe('päss word')
})

test('warns when others can read the file', async () => {
  await writeFile(join(folder, 'pw'), 'päss word\n', { mode: 0o600 })
  const own = await load({ passwordFile: 'pw' })
  expect([own.secret.reveal(), own.findings]).toEqual(['päss word', []])
  await chmod(join(folder, 'pw'), 0o640)
  const shared = await load({ passwordFile: 'pw' })
  expect(shared.findings.map(finding => finding.code)).toEqual(['password-file-readable'])
})

test('reads the environment and a command, without a shell', async () => {
  expect((await load({ passwordEnv: 'PW' })).secret.reveal()).toBe('from env')
  const echo = await load({ passwordCommand: ['printf', '%s\\n', '$(id) `id` $HOME'] })
  expect(echo.secret.reveal()).toBe('$(id) `id` $HOME')
})

test('a command gets no secrets but those that are named', async () => {
  const print = { passwordCommand: ['sh', '-c', 'echo "$PW.$PATH" | cut -c1-9'] }
  expect((await load(print)).secret.reveal()).toMatch(/^\./)
  expect((await load({ ...print, passwordCommandEnv: ['PW'] })).secret.reveal()).toBe('from env.')
})

test('says what is missing, and never what a failing command wrote', async () => {
  expect((await errorOf({ passwordFile: 'gone' })).message).toContain('no password file')
  await writeFile(join(folder, 'empty'), '\n', { mode: 0o600 })
  expect((await errorOf({ passwordFile: 'empty' })).message).toContain('is empty')
  expect((await errorOf({ passwordEnv: 'UNSET' })).message).toContain('UNSET')
  expect((await errorOf({ passwordCommand: ['no-such-program-here'] })).message).toContain(
    'there is no program no-such-program-here',
  )
  const failing = await errorOf({ passwordCommand: ['sh', '-c', 'echo hunter2; echo hunter2 >&2; exit 3'] })
  expect(failing.message).toContain('exit code 3')
  expect(`${failing.message} ${JSON.stringify(failing.context)} ${String(failing.cause)}`).not.toContain('hunter2')
})
