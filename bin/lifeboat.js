#!/usr/bin/env node
// Starts Lifeboat. Plain JavaScript that also an old Node can read: it finds a Node that is new enough, then runs
// src/main.ts (in a checkout) or dist/main.js (in the published package).
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describeOldNode, isNewEnough } from './node-version.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

function fail(message, hint) {
  process.stderr.write(`error: ${message}\n${hint}\n`)
  process.exitCode = 1
}

/** Hands over to the Node that the npm package `node` put beside us: same streams, signals and exit code. */
function runWith(node) {
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    // The channel carries no messages: its end tells the child that we were killed, so that it does not live on alone.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, LIFEBOAT_LAUNCHED: '1' },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => fail(`cannot run ${node}: ${error.message}`, 'Run "npm install" to install it again.'))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function hideExpectedWarnings() {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning, ...rest) => {
    const text = typeof warning === 'string' ? warning : warning.message
    if (/^(SQLite is an experimental feature|Type Stripping is an experimental feature)/.test(text)) return
    emitWarning(warning, ...rest)
  }
}

/** Undefined for a user id without an entry and without HOME, as in many containers: only the start is slower then. */
function cacheAtHome() {
  try {
    return join(homedir(), '.cache')
  } catch {
    return undefined
  }
}

async function run() {
  if (process.env.LIFEBOAT_LAUNCHED !== undefined) {
    delete process.env.LIFEBOAT_LAUNCHED
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
    process.channel?.unref()
  }
  hideExpectedWarnings()
  // A folder of our own: whoever can write to the cache decides what we run, so not the shared one under /tmp.
  const cacheHome = process.env.XDG_CACHE_HOME || cacheAtHome()
  if (cacheHome !== undefined) nodeModule.enableCompileCache?.(join(cacheHome, 'lifeboat', 'compiled'))
  const source = join(root, 'src', 'main.ts')
  const main = existsSync(source) ? source : join(root, 'dist', 'main.js')
  if (!existsSync(main)) return fail('this copy of Lifeboat is not built', 'Run "npm run build", then try again.')
  if (main === source && !existsSync(join(root, 'node_modules', 'commander')))
    return fail('the packages that Lifeboat needs are not installed', `Run "npm install" in ${root}, then try again.`)
  const { main: start } = await import(pathToFileURL(main).href)
  await start()
}

if (isNewEnough(process.versions.node)) await run()
else {
  const bundled = [join(root, 'node_modules', 'node', 'bin', 'node'), join(root, '..', 'node', 'bin', 'node')].find(
    file => existsSync(file),
  )
  if (bundled !== undefined && process.env.LIFEBOAT_LAUNCHED === undefined) runWith(bundled)
  else {
    const { message, hint } = describeOldNode(process.versions.node)
    fail(message, hint)
  }
}
