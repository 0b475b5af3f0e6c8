import { spawn } from 'node:child_process'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Tells systemd how we are, if it is who started us. Its own program does: Node has no datagrams on Unix sockets.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
export function notifySystemd(environment: Environment, ...states: readonly string[]): void {
  if (environment['NOTIFY_SOCKET'] === undefined) return
  // Without --no-block it waits for an answer that may never come.
  const child = spawn('systemd-notify', ['--no-block', ...states], { stdio: 'ignore', env: { ...environment } })
  child.on('error', () => undefined)
  child.unref()
}
