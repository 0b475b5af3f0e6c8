import type { z } from 'zod'
import type { AdapterContext } from '../base/adapter-context.ts'
import type { CommandPlace } from '../base/user-command.ts'
import type { Severity } from '../model/finding.ts'

export const NOTICE_EVENTS = ['opened', 'reminder', 'closed', 'test'] as const
/** `reminder`: it is still so. `closed`: it is no longer so. */
export type NoticeEvent = (typeof NOTICE_EVENTS)[number]

/** Something that a person is told. Holds no secret. */
export interface Notice {
  /** The same each time that the same notice is sent: who gets it twice can tell. */
  readonly id: string
  readonly event: NoticeEvent
  readonly severity: Severity
  /** Stable, for machines: `recovery-point-overdue`. */
  readonly code: string
  /** What it is about: `app`, `main`. */
  readonly subject: string
  /** One line: what, and of which. */
  readonly title: string
  /** A few lines: since when, and what to type. */
  readonly text: string
  readonly host: string
  readonly at: Date
  /** When it began. */
  readonly since: Date
}

/** A way to tell people. Each is one channel: one room of a chat, one address. */
export interface Notifier {
  /**
   * Resolves when the other side has taken it. Throws `notify-failed`, without a secret in it; whoever calls tries again
   * later, so it may come twice.
   */
  send(notice: Notice, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface NotifierContext extends AdapterContext {
  /** Where programs of the person's run. */
  readonly commandPlace: CommandPlace
}

export type NotifierFactory<Options = unknown> = (options: Options, context: NotifierContext) => Promise<Notifier>

/** What an adapter's `index.ts` exports; `load` imports the rest. */
export interface NotifierDefinition<Options = never> {
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodObject & z.ZodType<Options>
  readonly load: () => Promise<NotifierFactory<Options>>
}

/** Keeps the inferred option type; the value is returned as it is. */
export function defineNotifier<Options>(definition: NotifierDefinition<Options>): NotifierDefinition<Options> {
  return definition
}
