import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
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
  expect(offered(script, 'lifeboat re')).toEqual(['restore', 'report'])
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

test.each(['zsh', 'fish'] as const)('the script for %s is whole', async shell => {
  const script = completionScript(shell, await loadAll())
  for (const word of ['restore', 'keep-daily', 'lock-wait']) expect(script).toContain(word)
  if (!has(shell)) return
  const { stderr, status } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
  expect([stderr, status]).toEqual(['', 0])
})
