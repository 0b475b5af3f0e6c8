import { writeSync } from 'node:fs'
import type { App, AppOptions } from '../app/app.ts'
import { systemClock } from '../base/clock.ts'
import { AppError } from '../base/errors.ts'
import { createLogger, type Logger, type LogLevel } from '../base/logger.ts'
import { ownVersion } from '../base/package.ts'
import type { Finding } from '../model/finding.ts'
import type { Report } from '../model/report.ts'
import { requireAddressSpace } from './address-space.ts'
import type { Call, Command, Output } from './command.ts'
import { eventsToParent } from './events.ts'
import { describeFailure } from './failures.ts'
import { keepHeapClose, keepNurserySize } from './heap.ts'
import { type Interrupts, watchInterrupts } from './interrupts.ts'
import { parseCommandLine } from './parser.ts'
import { formatJson } from './printers/json.ts'
import { formatFinding } from './printers/text.ts'
import { Progress, type ProgressStyle } from './progress.ts'
import { COMMANDS } from './registry.ts'
import { asOfOf, repoOf } from './selection.ts'
import { type ColorChoice, Terminal } from './terminal.ts'
import { ToldErrors } from './told-errors.ts'
import type { Values } from './values.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Runs one command line (without node and script) on the process's own streams; gives the exit code. */
export async function runCli(argv: readonly string[], environment: Environment): Promise<number> {
  watchStreams()
  const interrupts = watchInterrupts(() => systemClock.monotonicMs(), environment)
  let terminal = new Terminal(process, colorOf(argv), environment)
  const json = wantsJson(argv)
  process.on('uncaughtException', error => {
    const failure = describeFailure(error, interrupts, terminal.err)
    try {
      writeSync(json ? 1 : 2, json ? formatJson(failure.json) : failure.text)
    } catch {
      // Nobody can be told; the exit code still says it.
    }
    // oxlint-disable-next-line no-process-exit -- nothing can be trusted to end by itself any more
    process.exit(failure.exitCode)
  })
  try {
    if (wantsVersion(argv)) return await printVersion(terminal, json)
    const parsed = await parseCommandLine(argv)
    if (parsed.kind === 'print') {
      await terminal.print(parsed.text)
      return 0
    }
    terminal = new Terminal(process, (parsed.values.text('color') as ColorChoice | undefined) ?? 'auto', environment)
    requireAddressSpace()
    return await runCommand(parsed.command, parsed.values, { terminal, environment, interrupts })
  } catch (error) {
    const failure = describeFailure(error, interrupts, terminal.err)
    if (!json || !(await printed(terminal, formatJson(failure.json)))) terminal.stderr.write(failure.text)
    return failure.exitCode
  } finally {
    interrupts.stop()
  }
}

/** False where stdout takes nothing: a full disk behind it is often what failed. */
async function printed(terminal: Terminal, text: string): Promise<boolean> {
  return await terminal.print(text).then(
    () => true,
    () => false,
  )
}

interface Surroundings {
  readonly terminal: Terminal
  readonly environment: Environment
  readonly interrupts: Interrupts
}

async function runCommand(command: Command, values: Values, surroundings: Surroundings): Promise<number> {
  const opened: App[] = []
  // A server's archiver reads every line, each few seconds.
  const names = !command.name.startsWith('wal ') && !values.flag('settle')
  const told = new ToldErrors(command.name)
  const call = makeCall(values, surroundings, { names, told, onOpen: app => opened.push(app) })
  let output: Output
  try {
    output = await command.run(call)
    call.progress.clear()
    if (!call.json) await printText(output, call)
  } finally {
    call.progress.clear()
    for (const app of opened) await app.close()
    // Whatever still hangs on (a worker, a socket) must not keep a finished command alive.
    setTimeout(() => leave(surroundings.interrupts), LINGER_MS).unref()
  }
  // Last of all: what fails before is an error's document, and there is only one document.
  if (call.json) await call.terminal.print(formatJson(output.json))
  return told.exitCodeOf(output)
}

const LINGER_MS = 3000

function leave(interrupts: Interrupts): void {
  if (interrupts.signal.aborted) interrupts.end()
  // oxlint-disable-next-line no-process-exit -- the exit code is set by then
  else process.exit()
}

interface Opening {
  /** Say what killed restores left. */
  readonly names: boolean
  readonly told: ToldErrors
  readonly onOpen: (app: App) => void
}

function makeCall(values: Values, surroundings: Surroundings, { names, told, onOpen }: Opening): Call {
  const { terminal, environment } = surroundings
  const { signal } = surroundings.interrupts
  const progress = new Progress(terminal, systemClock, progressStyle(values, terminal))
  const logger = makeLogger(values, terminal, progress)
  const reports: Report[] = []
  const onFinding = (found: Finding): void => {
    const finding = told.note(found)
    if (values.flag('quiet') && finding.severity !== 'error') return
    progress.clear()
    terminal.stderr.write(formatFinding(finding, terminal.err))
  }
  const hand = eventsToParent(environment)
  return {
    values,
    terminal,
    logger,
    clock: systemClock,
    signal,
    environment,
    json: values.flag('json'),
    progress,
    onFinding,
    reports,
    caller: {
      signal,
      logger,
      onEvent: event => {
        hand(event)
        if (event.kind === 'progress') progress.update(event.progress)
        else if (event.kind === 'finding') onFinding(event.finding)
        else if (event.kind === 'report') reports.push(event.report)
      },
    },
    loadCommands: () => Promise.all(COMMANDS.map(entry => entry.load())),
    openApp: async (options: Partial<AppOptions> = {}) => {
      const { openApp } = await import('../app/app.ts')
      const around = { logger, signal, onFinding, askPassword: passwordPrompt(terminal, signal) }
      const app = await openApp({ ...typedOptions(values, environment), ...around, ...options })
      onOpen(app)
      if (names) {
        const { nameInterrupted } = await import('../operations/restore/unfinished.ts')
        await nameInterrupted(app, onFinding)
      }
      keepNurserySize()
      keepHeapClose()
      return app
    },
  }
}

/** What the command line and the environment say of the installation. */
function typedOptions(values: Values, environment: Environment): AppOptions {
  return {
    configFile: values.text('config'),
    repository: repoOf({ values, environment, clock: systemClock }),
    trustConfig: trustsConfig(values),
    environment,
    lockWaitMs: values.durationMs('lockWait', '--lock-wait'),
    asOf: asOfOf({ values, clock: systemClock }),
    cache: values.flag('cache'),
    limit: lineLimitOf(values),
  }
}

/** Undefined where there is nobody to ask. */
function passwordPrompt(terminal: Terminal, signal: AbortSignal): AppOptions['askPassword'] {
  if (!terminal.interactive) return undefined
  return async (repository, isNew) => {
    const { Prompts } = await import('./prompts.ts')
    const prompts = new Prompts(terminal, signal)
    try {
      return await (isNew ? prompts.newPassword() : prompts.password(repository))
    } finally {
      prompts.close()
    }
  }
}

function lineLimitOf(values: Values): AppOptions['limit'] {
  return {
    up: values.rate('limitUpload', '--limit-upload'),
    down: values.rate('limitDownload', '--limit-download'),
  }
}

function trustsConfig(values: Values): boolean {
  if (!values.flag('trustConfig')) return false
  if (values.text('config') !== undefined) return true
  throw new AppError('usage', '--trust-config needs --config', {
    hint: 'Name the configuration that you trust: lifeboat --config FILE --trust-config ...',
  })
}

async function printText({ text, problems }: Output, call: Call): Promise<void> {
  const parts = typeof text === 'string' || text instanceof Uint8Array ? [text] : text
  for await (const part of parts) await call.terminal.print(part)
  if (problems) call.terminal.stderr.write(problems)
}

function progressStyle(values: Values, terminal: Terminal): ProgressStyle {
  // Commander turns --no-progress into `progress: false`.
  if (values.flag('quiet') || !values.flag('progress')) return 'none'
  return terminal.stderr.isTTY && !terminal.isDumb ? 'bar' : 'lines'
}

function makeLogger(values: Values, terminal: Terminal, progress: Progress): Logger {
  const verbosity = values.number('verbosity')
  const level: LogLevel = values.flag('quiet') ? 'error' : verbosity > 1 ? 'debug' : verbosity > 0 ? 'info' : 'warn'
  const styles = { debug: 'gray', info: 'cyan', warn: 'yellow', error: 'red' } as const
  const words = { debug: 'debug', info: 'info', warn: 'warning', error: 'error' } as const
  return createLogger(level, (at, message, context) => {
    progress.clear()
    const facts = Object.entries(context).map(([name, value]) => ` ${name}=${String(value)}`)
    terminal.stderr.write(`${terminal.err(styles[at], `${words[at]}:`)} ${message}${facts.join('')}\n`)
  })
}

// ---- before anything is parsed

const beforeDashes = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}

const wantsJson = (argv: readonly string[]): boolean => beforeDashes(argv).includes('--json')

function wantsVersion(argv: readonly string[]): boolean {
  return argv.every(word => word.startsWith('-')) && beforeDashes(argv).some(word => /^(-V|--version)$/.test(word))
}

function colorOf(argv: readonly string[]): ColorChoice {
  const words = beforeDashes(argv)
  const at = words.indexOf('--color')
  const value = at >= 0 ? words[at + 1] : words.find(word => word.startsWith('--color='))?.slice('--color='.length)
  return value === 'always' || value === 'never' ? value : 'auto'
}

async function printVersion(terminal: Terminal, json: boolean): Promise<number> {
  const version = ownVersion()
  await terminal.print(json ? formatJson({ version, node: process.versions.node }) : `lifeboat ${version}\n`)
  return 0
}

/** 128 + SIGPIPE, what a shell says of a program that ended because nobody reads its output. */
const NOBODY_READS = 141

/**
 * `lifeboat ls | head` closes our stdout early: what would follow is for nobody. It may be a backup, so that this does not
 * count as success. A closed stderr stops nothing. A full disk behind stdout is an error: the write rejects.
 */
function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // oxlint-disable-next-line no-process-exit -- nobody reads what would follow
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? NOBODY_READS)
  })
  process.stderr.on('error', () => {})
}
