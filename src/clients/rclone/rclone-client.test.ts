import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { shownLine } from './failure.ts'
import { RcloneClient } from './rclone-client.ts'

test('a program that says nothing is given up, and ended', async () => {
  const said = `${makeTempDir()}/pid`
  const client = new RcloneClient({
    command: ['sh', '-c', `echo $$ > ${said}; exec sleep 60`],
    environment: process.env,
    stallMs: 400,
  })
  const asked = client.request({ method: 'GET', origin: 'http://rclone', path: '/config' })
  await expect(asked).rejects.toMatchObject({ kind: 'stalled' })
  await client.close()
  expect(() => process.kill(Number(readFileSync(said, 'utf8')), 0)).toThrow('ESRCH')
})

test('an interrupt ends a request that waits for an answer', async () => {
  const client = new RcloneClient({ command: ['sleep', '60'], environment: process.env })
  const stop = new AbortController()
  const asked = client.request({ method: 'GET', origin: 'http://rclone', path: '/config', signal: stop.signal })
  setImmediate(() => stop.abort())
  await expect(asked).rejects.toMatchObject({ code: 'interrupted' })
  await client.close()
})

test.each([
  [
    '2026/11/30 20:57:02 ERROR : data/12: Post request put error: no space left',
    'data/12: Post request put error: no space left',
  ],
  ['CRITICAL: GET https://me:hunter2@host/a?sig=hunter2: 403', 'GET https://***@host/a?***'],
  ['Authorization: Bearer hunter2', 'Authorization: Bearer ***'],
  ['{"access_token":"hunter2","b":1}', 'access_token'],
  ['failed: secret_access_key = hunter2, rest', 'rest'],
  ['a\u001b[31m line', 'a [31m line'],
])('a line of rclone is shown without its secrets: %s', (line, expected) => {
  expect(shownLine(line)).toContain(expected)
  expect(shownLine(line)).not.toContain('hunter2')
})
