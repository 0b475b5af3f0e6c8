import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { completionScript } from './completion-scripts.ts'
import { COMMANDS } from './registry.ts'

const loadAll = () => Promise.all(COMMANDS.map(entry => entry.load()))

const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0

function offered(script: string, line: string): string[] {
  const words = line.split(' ')
  const program = `
    ${script}
    lifeboat() { [ "$1 $2" = "completion sources" ] && printf 'app\\ndocs\\n'; }
    COMP_WORDS=(${words.map(word => `'${word}'`).join(' ')})
    COMP_CWORD=${words.length - 1}
    _lifeboat
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' })
  expect([stderr, status]).toEqual(['', 0])
  return stdout.split('\n').filter(word => word !== '')
}

test('bash completes commands, their options, values and the names of sources', async () => {
  const script = completionScript('bash', await loadAll())
  expect(offered(script, 'lifeboat rest')).toEqual(['restore'])
  expect(offered(script, 'lifeboat --repo main key r')).toEqual(['remove'])
  expect(offered(script, 'lifeboat backup a')).toEqual(['app'])
  expect(offered(script, 'lifeboat backup --type d')).toEqual(['differential', 'data'])
  expect(offered(script, 'lifeboat backup --ty')).toEqual(['--type'])
  expect(offered(script, 'lifeboat key add --new')).toEqual(['--new-password-file', '--new-password-env'])
  expect(offered(script, 'lifeboat forget app --keep-w').length).toBeGreaterThan(3)
  expect(offered(script, 'lifeboat backup app d')).toEqual(['docs'])
  expect(offered(script, 'lifeboat restore ')).toEqual(['app', 'docs'])
  expect(offered(script, 'lifeboat --repo main restore app ')).toEqual(['latest'])
  expect(offered(script, 'lifeboat completion z')).toEqual(['zsh'])
})

test.runIf(has('fish'))('fish completes each word by its place', async () => {
  const script = completionScript('fish', await loadAll())
  const ask = (line: string): string[] => {
    const program = `${script}
      function lifeboat; test "$argv" = 'completion sources'; and printf 'app\\ndocs\\n'; end
      complete -C '${line}'`
    const { stdout, stderr, status } = spawnSync('fish', ['--no-config', '-c', program], { encoding: 'utf8' })
    expect([stderr, status]).toEqual(['', 0])
    return stdout
      .split('\n')
      .filter(Boolean)
      .map(row => row.split('\t')[0] ?? '')
  }
  expect(ask('lifeboat restor')).toEqual(['restore'])
  expect(ask('lifeboat --repo main key r')).toContain('remove')
  expect(ask('lifeboat restore ')).toEqual(['app', 'docs'])
  expect(ask('lifeboat --repo main restore app ')).toEqual(['latest'])
  expect(ask('lifeboat restore app latest ')).toEqual([])
  expect(ask('lifeboat backup app ')).toEqual(['app', 'docs'])
  expect(ask('lifeboat backup --type d').toSorted()).toEqual(['data', 'differential'])
  expect(ask('lifeboat backup --ty')).toEqual(['--type'])
})

test.each(['zsh', 'fish'] as const)('the script for %s is whole', async shell => {
  const script = completionScript(shell, await loadAll())
  for (const word of ['restore', 'keep-daily', 'lock-wait']) expect(script).toContain(word)
  if (!has(shell)) return
  const file = join(makeTempDir(), 'script')
  writeFileSync(file, script)
  const { stderr, status } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
  expect([stderr, status]).toEqual(['', 0])
})
