import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cronLine, pm2File, systemdUnit } from './service-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-service-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const AWKWARD = `it's 100% "odd" $HOME \\x`
const request = (words: readonly string[], workingFolder = '/srv/app') => ({
  command: ['/usr/bin/node', ...words],
  workingFolder,
  writes: ['/srv/app/.lifeboat', `/srv/${AWKWARD}`],
  user: 'backup',
})

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

test.skipIf(!hasSystemd)('systemd finds nothing wrong with the unit, whatever the paths', () => {
  for (const user of ['root', undefined]) {
    const unit = join(folder, 'lifeboat.service')
    writeFileSync(unit, systemdUnit({ ...request([`/opt/${AWKWARD}.js`], '/'), user }))
    const { stderr, status } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
    // It looks at the units that ours comes after, too.
    const ours = stderr.split('\n').filter(line => line.includes('lifeboat.service'))
    expect([ours, status]).toEqual([[], 0])
  }
})

test('the unit names the folders that it may write to, and whose it is', () => {
  const unit = systemdUnit(request(['--config', '/srv/app/lifeboat.yaml']))
  expect(unit).toContain('ExecStart=/usr/bin/node --config /srv/app/lifeboat.yaml serve\n')
  expect(unit).toContain('ReadWritePaths=-/srv/app/.lifeboat\n')
  expect(unit).toContain('User=backup\n')
  expect(unit).toContain('WantedBy=multi-user.target')
  expect(systemdUnit({ ...request([]), user: undefined })).not.toContain('User=')
})

test('a shell reads the line of crontab as it was meant', () => {
  const odd = join(folder, AWKWARD)
  mkdirSync(odd)
  symlinkSync(process.execPath, join(odd, 'program'))
  const script = `require('fs').writeFileSync(${JSON.stringify(join(folder, 'said'))}, JSON.stringify([process.cwd(), process.argv.slice(1)]))`
  const line = cronLine({ ...request([]), command: [join(odd, 'program'), '-e', script, AWKWARD], workingFolder: odd })
  expect(line).toMatch(/^\* \* \* \* \* /)
  // As cron does with what follows the five fields.
  const command = line.trim().split(' ').slice(5).join(' ').replaceAll(String.raw`\%`, '%')
  expect(spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stderr).toBe('')
  expect(JSON.parse(readFileSync(join(folder, 'said'), 'utf8'))).toEqual([odd, [AWKWARD, 'serve', '--once', '--quiet']])
})

test('the file for PM2 is a module with one application', () => {
  writeFileSync(join(folder, 'ecosystem.config.cjs'), pm2File(request([AWKWARD])))
  const said = spawnSync(process.execPath, ['-p', 'JSON.stringify(require("./ecosystem.config.cjs"))'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(JSON.parse(said.stdout)).toMatchObject({
    apps: [{ script: '/usr/bin/node', args: [AWKWARD, 'serve'], cwd: '/srv/app', interpreter: 'none' }],
  })
})
