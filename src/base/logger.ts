export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Where a running operation says what a person may want to know. Never carries secrets; never stdout. */
export interface Logger {
  debug(message: string, context?: Readonly<Record<string, unknown>>): void
  info(message: string, context?: Readonly<Record<string, unknown>>): void
  warn(message: string, context?: Readonly<Record<string, unknown>>): void
  error(message: string, context?: Readonly<Record<string, unknown>>): void
}

const ORDER: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** A logger over one sink. `write` gets each accepted line's parts and owns the form (text, JSON) and the stream. */
export function createLogger(
  level: LogLevel,
  write: (level: LogLevel, message: string, context: Readonly<Record<string, unknown>>) => void,
): Logger {
  const at =
    (own: LogLevel) =>
    (message: string, context: Readonly<Record<string, unknown>> = {}): void => {
      if (ORDER[own] >= ORDER[level]) write(own, message, context)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const silentLogger: Logger = createLogger('error', () => {})
