/** What a service of this installation needs to know. */
export interface ServiceRequest {
  /** What starts this program with this configuration. */
  readonly command: readonly string[]
  /** Folder that it works in. */
  readonly workingFolder: string
  /** Folders that it writes to: state, repositories, and databases whose readers write beside them. Absolute. */
  readonly writes: readonly string[]
  /** Whose service it is; undefined for that of a person, who needs no name. */
  readonly user: string | undefined
}

/**
 * A unit that is restarted whatever ends it, is killed where it stands still, and can write only where it must.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
 */
export function systemdUnit({ command, workingFolder, writes, user }: ServiceRequest): string {
  const lines = [
    '[Unit]',
    'Description=Lifeboat: backups at their times',
    'Wants=network-online.target',
    'After=network-online.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    '# Its messages come from a program that it starts.',
    'NotifyAccess=all',
    // A dollar would begin a variable.
    `ExecStart=${[...command, 'serve'].map(word => quoted(word).replaceAll('$', '$$$$')).join(' ')}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    `WorkingDirectory=${specifiers(workingFolder)}`,
    ...(user === undefined ? [] : [`User=${user}`]),
    'Restart=always',
    'RestartSec=10',
    '# It tells after each look at the clock that it did its work.',
    'WatchdogSec=120',
    '# It gives its runs five seconds to end by themselves.',
    'KillMode=mixed',
    'TimeoutStopSec=20',
    'Nice=10',
    'IOSchedulingClass=idle',
    'UMask=0077',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    ...writes.map(folder => `ReadWritePaths=${quoted(`-${folder}`)}`),
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectControlGroups=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    '',
    '[Install]',
    `WantedBy=${user === undefined ? 'default' : 'multi-user'}.target`,
  ]
  return `${lines.join('\n')}\n`
}

/** @see https://pm2.keymetrics.io/docs/usage/application-declaration/ */
export function pm2File({ command, workingFolder }: ServiceRequest): string {
  const [script = '', ...args] = command
  const application = {
    name: 'lifeboat',
    script,
    args: [...args, 'serve'],
    interpreter: 'none',
    cwd: workingFolder,
    autorestart: true,
    restart_delay: 10_000,
    // Its runs get five seconds to end.
    kill_timeout: 10_000,
  }
  return `module.exports = ${JSON.stringify({ apps: [application] }, undefined, 2)}\n`
}

/** Each minute: what is due is known from what ran before, not from when this is called. */
export function cronLine({ command, workingFolder }: ServiceRequest): string {
  const words = [...command, 'serve', '--once', '--quiet'].map(shellQuoted).join(' ')
  // Of a line of crontab, what follows a percent sign would be standard input.
  return `* * * * * cd ${shellQuoted(workingFolder)} && ${words}`.replaceAll('%', String.raw`\%`) + '\n'
}

/** A word of a command line, or of a list of paths. */
function quoted(word: string): string {
  const escaped = specifiers(word).replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)
  return /^[\w@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

/** `%` begins a specifier of systemd's. */
const specifiers = (text: string): string => text.replaceAll('%', '%%')

function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
