import type { AdapterContext, SecretReference } from '../base/adapter-context.ts'
import { AppError, isAppError } from '../base/errors.ts'
import { HttpClient, HttpFailure, isInClear } from '../clients/http/index.ts'

/** Chats answer within seconds; whoever waits longer tries again later. */
const TIMEOUT_MS = 20_000

/** An address that is a secret: who knows it can write there. */
export interface Address {
  readonly origin: string
  readonly path: string
  /** `https://hooks.example.com/...`: without what makes it secret. */
  readonly shown: string
}

/** Throws `config-invalid` for what is no address that a notice may be sent to. */
export async function loadAddress(what: string, reference: SecretReference, context: AdapterContext): Promise<Address> {
  const text = (await context.loadSecret(what, reference)).reveal().trim()
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '') {
    throw new AppError('config-invalid', `the ${what} is not an address like https://...`, {
      hint: 'Look at what the variable, file or command gives.',
    })
  }
  if (isInClear(url)) {
    throw new AppError('config-invalid', `the ${what} begins with http: others could read it on its way`, {
      hint: 'Write https:. Only addresses of this machine may be http.',
    })
  }
  return { origin: url.origin, path: `${url.pathname}${url.search}`, shown: `${url.origin}/...` }
}

export interface Post {
  readonly address: Address
  readonly body: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Sends to one address; follows no redirect. */
export class Poster {
  readonly #http: HttpClient
  readonly #timeoutMs: number

  constructor({ environment }: Pick<AdapterContext, 'environment'>, timeoutMs = TIMEOUT_MS) {
    this.#http = new HttpClient({ maxSockets: 1, environment, stallMs: timeoutMs })
    this.#timeoutMs = timeoutMs
  }

  /** Gives the body of a success. Throws `notify-failed`, with the status but with nothing that the other side wrote. */
  async post({ address, body, headers }: Post, signal: AbortSignal): Promise<string> {
    const { origin, path, shown } = address
    try {
      const answer = await this.#http.request({
        method: 'POST',
        origin,
        path,
        headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
        body: [Buffer.from(body)],
        limitBytes: 64 * 1024,
        signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]),
      })
      if (answer.status >= 200 && answer.status < 300) return answer.body.toString('utf8')
      throw new AppError('notify-failed', `${shown} answered with status ${answer.status}`, {
        hint: hintFor(answer.status),
      })
    } catch (error) {
      if (isAppError(error, 'interrupted') && !signal.aborted) {
        throw new AppError('notify-failed', `${shown} did not answer within ${this.#timeoutMs / 1000} s`)
      }
      if (!(error instanceof HttpFailure)) throw error
      throw new AppError('notify-failed', `cannot reach ${shown}: ${error.message}`)
    }
  }

  close(): void {
    this.#http.close()
  }
}

function hintFor(status: number): string {
  if (status === 429) return 'It is told too much: it is tried again later.'
  if (status >= 300 && status < 400) return 'It answers from another address: write that one. No redirect is followed.'
  if (status >= 500) return 'Its server has a problem: it is tried again later.'
  return 'Look whether the address is still valid: make a new one there.'
}
