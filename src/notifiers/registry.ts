import { command } from './command/index.ts'
import { discord } from './discord/index.ts'
import { email } from './email/index.ts'
import type { NotifierDefinition, NotifierFactory } from './notifier.ts'
import { ntfy } from './ntfy/index.ts'
import { slack } from './slack/index.ts'
import { webhook } from './webhook/index.ts'

/** Of whichever options: who calls the factory has parsed them with this definition's own schema. */
export interface AnyNotifier extends Omit<NotifierDefinition, 'options' | 'load'> {
  readonly options: NotifierDefinition['options']
  readonly load: () => Promise<NotifierFactory>
}

/** Every way to tell people. The one place that opens the adapters' folders. */
export const NOTIFIERS: readonly AnyNotifier[] = [
  register(webhook),
  register(slack),
  register(discord),
  register(ntfy),
  register(email),
  register(command),
]

function register<Options>(definition: NotifierDefinition<Options>): AnyNotifier {
  return {
    ...definition,
    options: definition.options as unknown as AnyNotifier['options'],
    load: async () => {
      const open = await definition.load()
      return (options, context) => open(options as Options, context)
    },
  }
}
