import { randomBytes } from 'node:crypto'
import { styleText } from 'node:util'
import { printableText } from '../base/bytes.ts'

export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean
}

export type ColorChoice = 'auto' | 'always' | 'never'
type Style = Parameters<typeof styleText>[0]

/** Colours a text where its stream shows colours. */
export type Paint = (style: Style, text: string) => string

const EDITOR_SEQUENCE = /\p{Cc}\[[\d;?]*[A-Za-z]/gu

/** Stands for the escape character of our own colours on their way to the door; nobody else can guess it. */
const OWN_ESCAPE = `\ufdd0${randomBytes(8).toString('hex')}\ufdd1`

/**
 * Standard streams as the printers see them, and the door to the terminal: names of files, tables and hosts, and messages
 * of servers, are other people's, so that no control character passes but in our own colours and `control`.
 */
export class Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly #rawErr: OutputStream
  /** Understands no control characters. */
  readonly isDumb: boolean
  readonly #colorOut: boolean
  readonly #colorErr: boolean

  constructor(
    streams: { readonly stdin: NodeJS.ReadStream; readonly stdout: OutputStream; readonly stderr: OutputStream },
    color: ColorChoice,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.stdin = streams.stdin
    this.stdout = new Door(streams.stdout)
    this.stderr = new Door(streams.stderr)
    this.#rawErr = streams.stderr
    this.isDumb = environment.TERM === 'dumb'
    // https://no-color.org: any value that is not empty.
    const wanted = !environment.NO_COLOR && !this.isDumb
    const use = (stream: OutputStream): boolean =>
      color === 'always' || (color === 'auto' && wanted && stream.isTTY === true)
    this.#colorOut = use(this.stdout)
    this.#colorErr = use(this.stderr)
  }

  get interactive(): boolean {
    return this.stdin.isTTY && this.stderr.isTTY === true
  }

  readonly out: Paint = (style, text) => (this.#colorOut ? painted(style, text) : text)

  readonly err: Paint = (style, text) => (this.#colorErr ? painted(style, text) : text)

  /** What a person sees while typing; the line editor's sequences only where they are understood. */
  type(text: string): void {
    this.#rawErr.write(this.isDumb ? text.replace(EDITOR_SEQUENCE, '') : text)
  }

  /** Moves the cursor, clears a line: to stderr as it is, and to none that would print it. */
  control(sequence: string): void {
    if (!this.isDumb) this.#rawErr.write(sequence)
  }

  /** Resolves when the bytes are handed to the system, so that nothing is lost at exit. */
  print(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stdout.write(text, error => (error ? reject(error) : resolve()))
    })
  }
}

function painted(style: Style, text: string): string {
  return styleText(style, printableText(text), { validateStream: false }).replaceAll('\u001b', OWN_ESCAPE)
}

/** Bytes pass as they are: they are a file that was asked for. */
class Door implements OutputStream {
  readonly #stream: OutputStream

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  get isTTY(): boolean | undefined {
    return this.#stream.isTTY
  }

  get columns(): number | undefined {
    return this.#stream.columns
  }

  write(text: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    const shown = typeof text === 'string' ? printableText(text).replaceAll(OWN_ESCAPE, '\u001b') : text
    return this.#stream.write(shown, done)
  }
}
