import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createTransport } from 'nodemailer'
import type { AdapterContext } from '../../base/adapter-context.ts'
import { AppError, messageOf } from '../../base/errors.ts'
import type { Notice, Notifier } from '../notifier.ts'
import type { EmailOptions } from './options.ts'

const TIMEOUT_MS = 30_000

/** Never in clear, but to this machine: an address to send to and a password are in it. */
export async function openEmail(options: EmailOptions, context: AdapterContext): Promise<Notifier> {
  const { to, from, host, port, username, password, caFile } = options
  const pass = password && (await context.loadSecret('SMTP password', password)).reveal()
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  const transport = createTransport({
    host,
    port,
    secure: port === 465,
    requireTLS: port !== 465 && !isHere,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(username === undefined ? {} : { auth: { user: username, pass: pass ?? '' } }),
    ...(caFile === undefined ? {} : { tls: { ca: await readFile(resolve(context.baseDir, caFile)) } }),
  })
  return {
    send: async (notice: Notice) => {
      try {
        await transport.sendMail({
          from: { name: `Lifeboat on ${notice.host}`, address: from },
          to: typeof to === 'string' ? to : [...to],
          subject: notice.title,
          text: notice.text,
          date: notice.at,
          // The same each time, so that who gets it twice sees it once.
          messageId: `<${notice.id}@${from.split('@')[1] ?? 'lifeboat'}>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
        })
      } catch (error) {
        throw new AppError('notify-failed', `${host} did not take the mail: ${messageOf(error)}`, {
          hint: 'Look at host, port, username and password, and whether the server lets you send as "from".',
        })
      }
    },
    close: async () => transport.close(),
  }
}
