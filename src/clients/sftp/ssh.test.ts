import { expect, test } from 'vitest'
import { connectionError, sshArguments } from './ssh.ts'

const place = { host: 'host', user: undefined, port: undefined }

test('asks for the subsystem of a host, and never asks a person', () => {
  const args = sshArguments({ host: 'host', user: 'me@example', port: 2222 }, {})
  expect(args.slice(-7)).toEqual(['2222', '-l', 'me@example', '-s', '--', 'host', 'sftp'])
  const settings = args.flatMap((arg, at) => (args[at - 1] === '-o' ? [arg] : []))
  expect(settings).toEqual(
    expect.arrayContaining(['BatchMode=yes', 'ServerAliveInterval=60', 'ServerAliveCountMax=4', 'ControlMaster=no']),
  )
  expect(settings.join()).not.toMatch(/StrictHostKeyChecking|KnownHosts|Identit/)
})

test('files are given so that ssh replaces nothing in their names', () => {
  const args = sshArguments(place, { identityFile: '/a b/%h', knownHostsFile: '/k' })
  expect(args).toEqual(
    expect.arrayContaining(['IdentityFile="/a b/%%h"', 'IdentitiesOnly=yes', 'UserKnownHostsFile="/k"']),
  )
  for (const identityFile of ['/a"b', '/a\\b', '/a\nb', '/${HOME}/x']) {
    expect(() => sshArguments(place, { identityFile })).toThrow(/ssh takes no path like/)
  }
})

test.each(['-oProxyCommand=touch x', '', 'a b', 'a;b', 'a`b`', '$(a)', 'a\nb', "a'b"])(
  'nothing that could be an option or a command is a host or a user: %j',
  text => {
    expect(() => sshArguments({ ...place, host: text }, {})).toThrow(/cannot be the host/)
    expect(() => sshArguments({ ...place, user: text }, {})).toThrow(/cannot be the user/)
  },
)

test.each([
  [
    'No ED25519 host key is known for h and you have requested strict checking.\r\nHost key verification failed.',
    'host-key-unknown',
  ],
  ['@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.', 'host-key-changed'],
  ['Welcome!\nme@h: Permission denied (publickey).', 'login-refused'],
  ['ssh: Could not resolve hostname h: Name or service not known', 'host-not-found'],
  ['ssh: Could not resolve hostname h: Temporary failure in name resolution', 'unreachable'],
  ['subsystem request failed on channel 0', 'no-sftp'],
  ['/home/me/.ssh/config: line 1: Bad configuration option: x', 'bad-setup'],
  ['ssh: connect to host h port 22: Connection refused', 'unreachable'],
  ['Connection to h closed by remote host.', 'lost'],
])('what ssh says is understood: %j', (stderr, problem) => {
  expect(connectionError(stderr, true)).toMatchObject({ problem })
})

test('of many lines the one that says most is kept, short and without what steers a terminal', () => {
  const error = connectionError(`me@h: Permission denied (\u001b[31m${'x'.repeat(1000)})\nlast line\n`, true)
  expect(error?.message).toMatch(/^me@h: Permission denied \(\\x1b\[31mx+$/)
  expect(error?.message.length).toBeLessThanOrEqual(300)
  expect(connectionError('', true)).toBeUndefined()
  expect(connectionError('Killed by signal 15.', false)).toBeUndefined()
})
