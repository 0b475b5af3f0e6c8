import { relative, resolve } from 'node:path'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { type DemoEvent, runDemo } from '../demo/demo.ts'
import { ownCommand } from '../demo/own-command.ts'
import { Story } from '../demo/story.ts'

export const demo: Command<Printed<'demo'>> = {
  name: 'demo',
  summary: 'try it: lose and recover a sample database',
  description: [
    'Creates a folder with a sample database that another process keeps writing to, backs it up twice, deletes it, restores ' +
      'it and compares every row. The folder stays for you to play with; the next run replaces it.',
    'Needs no network and touches nothing outside that folder.',
  ],
  options: [{ flags: '--dir <folder>', summary: 'folder to use (default: ./demo)', complete: 'files' }],
  examples: [{ command: 'lifeboat demo', explains: 'in the folder ./demo' }],
  run: async call => {
    const dir = resolve(call.values.text('dir') ?? 'demo')
    if (!call.json) return { json: undefined, text: tell(dir, call) }
    const steps: DemoEvent[] = []
    for await (const event of runDemo(dir, call.signal)) steps.push(event)
    return { json: { dir, steps }, text: '' } satisfies Output
  },
}

async function* tell(dir: string, call: Call): AsyncGenerator<string> {
  const story = new Story(call.terminal.out)
  yield story.title(dir)
  for await (const event of runDemo(dir, call.signal)) yield story.tell(event)
  const near = relative('', dir)
  yield story.next(near.startsWith('..') ? dir : near, ownCommand(dir, call.environment.PATH ?? ''))
}
