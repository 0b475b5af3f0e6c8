import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A folder for `PATH` whose `ssh` is the system's own, but is killed once, after so many bytes in either direction. */
export class CuttingSsh {
  readonly path: string
  readonly #order: string

  constructor(folder: string) {
    const programs = join(folder, 'cutting-ssh')
    mkdirSync(programs)
    this.path = `${programs}${delimiter}${process.env['PATH'] ?? ''}`
    this.#order = join(programs, 'order')
    writeFileSync(join(programs, 'ssh'), script(this.#order, process.env['PATH'] ?? ''))
    chmodSync(join(programs, 'ssh'), 0o755)
  }

  /** The next connection that has carried so many bytes is gone. */
  cutAfter(bytes: number): void {
    writeFileSync(this.#order, String(bytes))
  }

  spare(): void {
    rmSync(this.#order, { force: true })
  }
}

function script(order: string, path: string): string {
  return `#!${process.execPath}
const { existsSync, readFileSync, rmSync } = require('node:fs')
const { spawn } = require('node:child_process')
process.env.PATH = ${JSON.stringify(path)}
let left = existsSync(${JSON.stringify(order)}) ? Number(readFileSync(${JSON.stringify(order)}, 'utf8')) : Infinity
const ssh = spawn('ssh', process.argv.slice(2), { stdio: ['pipe', 'pipe', 'inherit'] })
const pass = (from, to) =>
  from.on('data', bytes => {
    if (left <= 0) return
    to.write(bytes.subarray(0, left))
    left -= bytes.length
    if (left > 0) return
    rmSync(${JSON.stringify(order)}, { force: true })
    ssh.kill('SIGKILL')
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20)
  })
pass(process.stdin, ssh.stdin)
pass(ssh.stdout, process.stdout)
ssh.stdin.on('error', () => {})
process.stdout.on('error', () => {})
process.stdin.on('end', () => ssh.stdin.end())
ssh.on('exit', code => left > 0 && process.exit(code ?? 255))
process.on('SIGTERM', () => ssh.kill('SIGTERM'))
`
}
