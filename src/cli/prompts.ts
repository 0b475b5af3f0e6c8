import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { AppError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { Terminal } from './terminal.ts'

/** Asks on stderr, so that stdout stays for results. An empty answer is the default. */
export async function ask(
  terminal: Terminal,
  question: string,
  otherwise: string,
  signal: AbortSignal,
): Promise<string> {
  const answer = await readLine(terminal, `${question} [${otherwise}] `, signal)
  return answer.trim() === '' ? otherwise : answer.trim()
}

export async function confirm(terminal: Terminal, question: string, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const answer = (await readLine(terminal, `${question} [Y/n] `, signal)).trim().toLowerCase()
    if (answer === '' || answer === 'y' || answer === 'yes') return true
    if (answer === 'n' || answer === 'no') return false
  }
}

/** A new password, typed twice without echo. */
export async function askNewPassword(terminal: Terminal, signal: AbortSignal): Promise<Secret> {
  const first = await readHidden(terminal, 'New password: ', signal)
  if (first === '') throw new AppError('usage', 'the new password is empty', { hint: 'Type at least one character.' })
  const second = await readHidden(terminal, 'The same again: ', signal)
  if (first === second) return new Secret(first)
  throw new AppError('usage', 'the two passwords differ', { hint: 'Run the command again.' })
}

async function readHidden(terminal: Terminal, question: string, signal: AbortSignal): Promise<string> {
  terminal.stderr.write(question)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  try {
    return await readLine(terminal, '', signal, silent)
  } finally {
    terminal.stderr.write('\n')
  }
}

async function readLine(
  terminal: Terminal,
  question: string,
  signal: AbortSignal,
  echo: NodeJS.WritableStream = process.stderr,
): Promise<string> {
  const lines = createInterface({ input: terminal.stdin, output: echo, terminal: true })
  // In raw mode Ctrl-C is a key, not a signal.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const ended = new Promise<never>((_, reject) => {
    lines.once('close', () => reject(new AppError('interrupted', 'no answer was given')))
  })
  try {
    return await Promise.race([lines.question(question, { signal }), ended])
  } finally {
    lines.removeAllListeners('close')
    ended.catch(() => {})
    lines.close()
  }
}
