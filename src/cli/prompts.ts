import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { AppError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { Terminal } from './terminal.ts'

/** Questions to a person, asked on stderr so that stdout stays for results. What is typed ahead is not lost. */
export class Prompts {
  readonly #terminal: Terminal
  readonly #signal: AbortSignal
  readonly #lines: Interface
  readonly #typed: string[] = []
  #muted = false
  #closed = false
  #wake: () => void = () => {}

  constructor(terminal: Terminal, signal: AbortSignal) {
    this.#terminal = terminal
    this.#signal = signal
    const echo = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        // What readline draws, and what was typed. A dumb terminal would print its sequences.
        if (!this.#muted) terminal.type(chunk.toString('utf8'))
        done()
      },
    })
    this.#lines = createInterface({ input: terminal.stdin, output: echo, terminal: true, historySize: 0 })
    this.#lines.on('line', line => {
      this.#typed.push(line)
      this.#wake()
    })
    this.#lines.on('close', () => this.#end())
    // In raw mode Ctrl-C is a key, not a signal.
    this.#lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  /** An empty answer is the default. */
  async ask(question: string, otherwise: string): Promise<string> {
    const answer = (await this.#read(`${question} [${otherwise}] `)).trim()
    return answer === '' ? otherwise : answer
  }

  async confirm(question: string): Promise<boolean> {
    for (;;) {
      const answer = (await this.#read(`${question} [Y/n] `)).trim().toLowerCase()
      if (answer === '' || answer === 'y' || answer === 'yes') return true
      if (answer === 'n' || answer === 'no') return false
    }
  }

  /** A new password, typed twice without echo. */
  async newPassword(): Promise<Secret> {
    const first = await this.#readHidden('New password: ')
    if (first === '') throw new AppError('usage', 'the new password is empty', { hint: 'Type at least one character.' })
    if (first === (await this.#readHidden('The same again: '))) return new Secret(first)
    throw new AppError('usage', 'the two passwords differ', { hint: 'Run the command again.' })
  }

  /** The password of a repository, typed without echo. */
  async password(repository: string): Promise<Secret> {
    const password = await this.#readHidden(`Password of ${repository}: `)
    if (password !== '') return new Secret(password)
    throw new AppError('usage', 'the password is empty', { hint: 'Run the command again.' })
  }

  close(): void {
    this.#lines.close()
  }

  async #readHidden(question: string): Promise<string> {
    this.#terminal.stderr.write(question)
    this.#muted = true
    try {
      return await this.#read('')
    } finally {
      this.#muted = false
      this.#terminal.stderr.write('\n')
    }
  }

  async #read(question: string): Promise<string> {
    this.#lines.setPrompt(question)
    this.#lines.prompt()
    while (this.#typed.length === 0 && !this.#closed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const line = this.#typed.shift()
    if (line !== undefined && !this.#signal.aborted) return line
    this.#terminal.stderr.write('\n')
    throw new AppError('interrupted', 'no answer was given')
  }

  #end(): void {
    this.#closed = true
    this.#wake()
  }
}
