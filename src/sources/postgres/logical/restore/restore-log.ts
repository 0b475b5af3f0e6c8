/** One entry of an archive that pg_restore could not bring back. */
export interface EntryFailure {
  /** Of the table of contents. */
  readonly id: number
  /** What the server said first: `function fold(text) does not exist`. */
  readonly message: string
  /** All it said: detail, context, the statement. */
  readonly said: string
  /** It was made, and could only not be given to its owner. */
  readonly ownerOnly: boolean
}

const ENTRY = /^pg_restore: from TOC entry (\d+); /
/** Several processes write to one stderr, each its lines in pieces: a prefix may stand elsewhere, whole or in part. */
const MIXED_ENTRY = /(?:^|[ :])from TOC entry (\d+); /g
const ERROR = /^pg_restore: error: (.*)$/
const IGNORED = /^pg_restore: warning: errors ignored on restore: (\d+)$/
/** A line without it goes on with what was said before. */
const PREFIX = 'pg_restore: '
/** The client's own words, which are English whatever the server speaks, and what no entry is to blame for. */
const LOST =
  /server closed the connection|no connection to the server|SSL SYSCALL|connection to server|could not (?:send|receive) data/
/** What pg_restore runs once it has made an object. */
const GIVES_AWAY = /^Command was: ALTER .* OWNER TO .*;$/m
const FULL = /No space left on device|Disk quota exceeded|out of memory/
const MAX_SAID_CHARS = 4000

/**
 * What pg_restore tells on stderr, under `--verbose`, while it goes on after errors. Only where it came to its end, and all
 * errors belong to entries, is it known what is missing. It counts them itself at its end, where several of its processes
 * worked too many times.
 *
 * @see PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c, warn_or_exit_horribly
 */
export class RestoreLog {
  /** The first error, with all that was said of it: what a person must know when nothing else helps. */
  first: string | undefined
  readonly #parallel: boolean
  readonly #failures = new Map<number, { message: string; said: string; errors: number }>()
  #entry: number | undefined
  /** What a line without a prefix is added to. */
  #open: { said: string } | undefined
  #errors = 0
  #ignored: number | undefined
  #fatal = false

  constructor(parallel: boolean) {
    this.#parallel = parallel
  }

  /** The entries that failed, in the order in which they did, when nothing else went wrong. */
  get failures(): EntryFailure[] | undefined {
    if (this.#fatal || this.#ignored === undefined || this.#errors === 0) return undefined
    if (this.#parallel ? this.#ignored < this.#failures.size : this.#ignored !== this.#errors) return undefined
    const failures = [...this.#failures]
    // Lines of several processes mix: then nobody knows which of them an error belongs to.
    const isMixed = failures.some(([, { errors }]) => errors === 0)
    return failures.map(([id, { message, said, errors }]) => {
      return { id, message, said, ownerOnly: !isMixed && errors === 1 && GIVES_AWAY.test(said) }
    })
  }

  add(line: string): void {
    const mixed = this.#parallel ? [...line.matchAll(MIXED_ENTRY)] : []
    if (mixed.length > 0) {
      this.#open = undefined
      for (const [, id] of mixed) this.#beginEntry(Number(id))
      return
    }
    if (!line.startsWith(PREFIX)) {
      this.#goOn(line)
      return
    }
    this.#open = undefined
    const entry = ENTRY.exec(line)
    const error = ERROR.exec(line)
    const ignored = IGNORED.exec(line)
    if (entry !== null) this.#beginEntry(Number(entry[1]))
    else if (ignored !== null) this.#ignored = Number(ignored[1])
    else if (error !== null) this.#addError(error[1] ?? '')
  }

  /** It is named because it failed, even where another process's lines come before its error. */
  #beginEntry(id: number): void {
    this.#entry = id
    if (!this.#parallel || this.#failures.has(id)) return
    this.#failures.set(id, { message: 'pg_restore could not bring it back', said: '', errors: 0 })
  }

  #goOn(line: string): void {
    if (this.#open === undefined) return
    this.#open.said = cut(`${this.#open.said}\n${line}`)
    if (this.#errors === 1) this.first = `${PREFIX}error: ${this.#open.said}`
  }

  #addError(text: string): void {
    this.#errors++
    this.first ??= `${PREFIX}error: ${text}`
    if (LOST.test(text) || FULL.test(text) || this.#entry === undefined) this.#fatal = true
    if (this.#entry === undefined) return
    const there = this.#failures.get(this.#entry)
    const failure = there ?? { message: messageIn(text), said: '', errors: 0 }
    if (failure.errors === 0) failure.message = messageIn(text)
    failure.errors++
    failure.said = cut(failure.said === '' ? text : `${failure.said}\n${text}`)
    this.#failures.set(this.#entry, failure)
    this.#open = failure
  }
}

/** `could not execute query: ERROR:  relation "x" does not exist` -> what the server said, in whatever language. */
function messageIn(text: string): string {
  return /^(?:could not execute query|COPY failed for table .*?): (?:\p{Lu}+:)?\s*(.*)$/u.exec(text)?.[1] ?? text
}

function cut(text: string): string {
  return text.slice(0, MAX_SAID_CHARS)
}
