import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { formatJson } from './printers/json.ts'
import { formatFinding, formatTable } from './printers/text.ts'
import { Progress } from './progress.ts'
import { Terminal } from './terminal.ts'

function makeTerminal(color: 'always' | 'auto', environment: Record<string, string> = {}) {
  const written: string[] = []
  const write = (text: string | Uint8Array, done?: () => void): boolean => {
    written.push(String(text))
    done?.()
    return true
  }
  const stream = { isTTY: true, columns: 80, write }
  const terminal = new Terminal({ stdin: process.stdin, stdout: stream, stderr: stream }, color, environment)
  return { terminal, text: () => written.join('') }
}

// The title of the window, a cleared screen, 8-bit CSI, hidden text, turned writing, a bell, a carriage return, DEL.
const HOSTILE = [
  '\u001b]0;x\u0007',
  '\u001b[2J',
  '\u009b2J',
  '\u001b[8m',
  'a\u202egpj.exe',
  '\u0007',
  '\rerror:',
  '\u007f',
  '\udcff',
]
const CONTROL = /(?![\n\t])\p{Cc}|\u202e|\p{Cs}/u

test.each(HOSTILE)('%j in a name reaches no terminal', async name => {
  const { terminal, text } = makeTerminal('auto', { NO_COLOR: '1' })
  await terminal.print(`${name}\n`)
  terminal.stderr.write(
    formatFinding({ severity: 'error', code: 'x', subject: name, message: name, hint: name }, terminal.err),
  )
  await terminal.print(formatTable([{ title: 'NAME', value: (row: string) => row }], [name], terminal.out))
  expect(text()).not.toMatch(CONTROL)
})

test('our own colours pass, and a name cannot borrow them', async () => {
  const { terminal, text } = makeTerminal('always')
  await terminal.print(terminal.out('red', 'bad \u001b[8mname'))
  expect(text()).toBe('\u001b[31mbad \\x1b[8mname\u001b[39m')
})

test('a dumb terminal gets no control characters, neither colours nor a bar', async () => {
  const { terminal, text } = makeTerminal('auto', { TERM: 'dumb' })
  await terminal.print(terminal.out('red', 'x'))
  terminal.control('\r\u001b[K')
  terminal.type('\u001b[1G\u001b[0JAre you sure? ')
  let nowMs = 0
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 10_000) }
  const progress = new Progress(terminal, clock, 'lines')
  for (let done = 0; done < 3; done++) progress.update({ label: 'x', done, total: 3, unit: 'items' })
  progress.clear()
  expect(text()).not.toMatch(CONTROL)
  expect(text()).toContain('Are you sure? ')
})

test('a name with a line break makes no row and no error of its own', () => {
  const table = formatTable([{ title: 'NAME', value: (row: string) => row }], ['a\nerror: b'], (_style, text) => text)
  expect(table).toBe('NAME\na\\x0aerror: b\n')
})

test('JSON is exact, and does not steer a terminal either', async () => {
  const { terminal, text } = makeTerminal('auto')
  await terminal.print(formatJson(HOSTILE))
  expect(text()).not.toMatch(CONTROL)
  expect(JSON.parse(text())).toEqual(HOSTILE)
})
