import { AppError } from '../../base/errors.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'

const WAYS = ['systemd', 'pm2', 'cron'] as const
type Way = (typeof WAYS)[number]

export const install: Command<Printed<'install'>> = {
  name: 'install',
  summary: 'make a service of "lifeboat serve"',
  description: [
    'For systemd: writes a unit, for the whole machine when run as root, else for your user, and says how to start it. The unit can write only to the state folder, to repositories in folders, and beside the databases that are backed up. For PM2 or cron: prints the file or the line to use.',
    'A service does not see the variables of your shell: name the file that has them with "envFile" in the configuration.',
  ],
  arguments: [{ name: 'way', summary: 'systemd (default), pm2 or cron', complete: WAYS }],
  options: [{ flags: '--print', summary: 'only print the unit' }],
  examples: [
    { command: 'sudo lifeboat install', explains: 'as a service of this machine' },
    { command: 'lifeboat install --print', explains: 'look at the unit first' },
    {
      command: '(crontab -l; lifeboat install cron) | crontab -',
      explains: 'without a service: each minute, what is due',
    },
  ],
  run: async call => {
    const { installService } = await import('../../operations/schedule/install.ts')
    const { ownCommand } = await import('../../base/package.ts')
    const app = await call.openApp()
    const way = wayOf(call)
    const installed = await installService(app, {
      way,
      program: ownCommand(),
      printOnly: call.values.flag('print'),
      environment: call.environment,
    })
    const { content, file } = installed
    return {
      json: { way, file: file ?? null, content },
      text:
        file === undefined
          ? content
          : `Wrote ${file}. Start it, now and with the machine:\n${installed.next.map(line => `  ${line}\n`).join('')}`,
    }
  },
}

function wayOf(call: Call): Way {
  const text = call.values.text('way') ?? 'systemd'
  const way = WAYS.find(each => each === text)
  if (way !== undefined) return way
  throw new AppError('usage', `there is no way to install called ${text}`, { hint: `There are: ${WAYS.join(', ')}.` })
}
