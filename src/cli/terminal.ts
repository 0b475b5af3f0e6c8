import { styleText } from 'node:util'

export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean
}

export type ColorChoice = 'auto' | 'always' | 'never'
type Style = Parameters<typeof styleText>[0]

/** Colours a text where its stream shows colours. */
export type Paint = (style: Style, text: string) => string

/** Standard streams as the printers see them. */
export class Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly #colorOut: boolean
  readonly #colorErr: boolean

  constructor(
    streams: { readonly stdin: NodeJS.ReadStream; readonly stdout: OutputStream; readonly stderr: OutputStream },
    color: ColorChoice,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.stdin = streams.stdin
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    // https://no-color.org: any value that is not empty.
    const wanted = !environment.NO_COLOR && environment.TERM !== 'dumb'
    const use = (stream: OutputStream): boolean =>
      color === 'always' || (color === 'auto' && wanted && stream.isTTY === true)
    this.#colorOut = use(this.stdout)
    this.#colorErr = use(this.stderr)
  }

  get interactive(): boolean {
    return this.stdin.isTTY && this.stderr.isTTY === true
  }

  readonly out: Paint = (style, text) => (this.#colorOut ? styleText(style, text, { validateStream: false }) : text)

  readonly err: Paint = (style, text) => (this.#colorErr ? styleText(style, text, { validateStream: false }) : text)

  /** Resolves when the bytes are handed to the system, so that nothing is lost at exit. */
  print(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stdout.write(text, error => (error ? reject(error) : resolve()))
    })
  }
}
