import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { Call } from '../command.ts'
import { Terminal } from '../terminal.ts'
import { askForYes } from './confirm.ts'

const answering = (answer: string): Call => {
  const stdin = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.ReadStream & PassThrough
  stdin.end(`${answer}\n`)
  const deaf = { isTTY: true, columns: 80, write: () => true }
  const terminal = new Terminal({ stdin, stdout: deaf, stderr: deaf }, 'auto', {})
  const call = { terminal, signal: new AbortController().signal, progress: { clear: () => {} } }
  return call as unknown as Call
}

test('only the whole word yes goes on; a plan that is declined has an exit code of its own', async () => {
  await expect(askForYes(answering('Yes'), 'This replaces it.')).resolves.toBeUndefined()
  for (const answer of ['no', '', 'y', 'yess']) {
    await expect(askForYes(answering(answer), 'This replaces it.')).rejects.toMatchObject({
      code: 'plan-declined',
      exitCode: 23,
    })
  }
})
