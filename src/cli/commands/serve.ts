import { formatTime } from '../../base/times.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'

export const serve: Command<Printed<'serve'>> = {
  name: 'serve',
  summary: 'run every policy at its time, and look after repositories',
  description: [
    'Runs until it is told to end. Each policy with a "schedule" is backed up at its times, in a process of its own; one that fails is tried again after 1, 5 and 15 minutes. Repositories are looked after as "maintenance" says: what no rule keeps is removed each day, space is freed and repositories are checked each week.',
    'After a sleep or a downtime, what was missed runs once. A daily time that does not exist runs at the first moment after the gap; one that exists twice runs once, the first time; what comes every so many minutes runs through both.',
    'SIGHUP takes up a changed configuration; a wrong one is refused, and the one before stays. SIGTERM and Ctrl-C start nothing new and give what runs five seconds to end; the next start takes it up again.',
  ],
  options: [{ flags: '--once', summary: 'do what is due and end: for cron, or a CI job' }],
  examples: [
    { command: 'lifeboat serve', explains: 'until Ctrl-C; "lifeboat install" makes a service of it' },
    { command: '*/5 * * * * lifeboat serve --once', explains: 'a line of crontab instead' },
  ],
  run: async call => {
    const [{ Server }, { ownCommand }] = await Promise.all([
      import('../../daemon/serve.ts'),
      import('../../base/package.ts'),
    ])
    const server = await Server.open({
      open: () => call.openApp(),
      command: [...ownCommand(), ...configurationOf(call)],
      environment: call.environment,
      clock: call.clock,
      signal: call.signal,
      say: line => call.terminal.stderr.write(`${formatTime(call.clock.now())} ${line}\n`),
    })
    const reload = (): void => void server.reload()
    process.on('SIGHUP', reload)
    try {
      const once = call.values.flag('once')
      if (!once) announce(call, server)
      const { ended, done } = await (once ? server.runOnce() : server.run())
      return {
        json: { ended, done },
        text: once ? `${ended === 0 ? 'Nothing was due' : `${ended} ended, ${ended - done} failed`}\n` : '',
        exitCode: once && done < ended ? 1 : 0,
      }
    } finally {
      process.off('SIGHUP', reload)
      await server.close()
    }
  },
}

function announce(
  call: Call,
  server: { readonly jobs: readonly string[]; nextOf(job: string): Date | undefined },
): void {
  for (const job of server.jobs) {
    const next = server.nextOf(job)
    call.terminal.stderr.write(`${job}: next ${next === undefined ? 'never' : formatTime(next)}\n`)
  }
  if (server.jobs.length === 0) call.terminal.stderr.write('No policy has a "schedule": nothing will run.\n')
}

/** What the runs are to be told as we were. */
function configurationOf(call: Call): string[] {
  const file = call.values.text('config')
  return file === undefined ? [] : ['--config', file, ...(call.values.flag('trustConfig') ? ['--trust-config'] : [])]
}
