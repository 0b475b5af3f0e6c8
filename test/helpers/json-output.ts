import { z } from 'zod'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'

const outputs: Readonly<Record<string, z.ZodType>> = JSON_OUTPUTS

/** The command among the words of a command line: `key list`, `backup`. */
export function commandOf(words: readonly string[]): string {
  const [first = '', second = ''] = words
  return `${first} ${second}` in outputs ? `${first} ${second}` : first
}

/** Holds what `command --json` printed to what the reference says of it, and gives it back. */
export function documentedOutput(command: string, printed: string): unknown {
  const output: unknown = JSON.parse(printed)
  const schema = outputs[command]
  if (schema === undefined) throw new Error(`no output is documented for "${command}"`)
  const { error } = schema.safeParse(output)
  if (error) throw new Error(`"${command}" does not print what is documented:\n${z.prettifyError(error)}`)
  return output
}
