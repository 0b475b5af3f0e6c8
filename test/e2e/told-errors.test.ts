import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Workspace } from '../helpers/workspace.ts'

test('an error that is told goes with an exit code other than 0, and a warning with 0', async () => {
  const workspace = new Workspace()
  workspace.makeDocs()
  await workspace.run('init', '--yes')
  writeFileSync(join(workspace.repository, 'keys', 'a'.repeat(64)), 'damaged')
  const first = await workspace.try('backup', 'docs')
  expect([first.code, first.stderr]).toEqual([0, expect.not.stringContaining('error:')])
  writeFileSync(join(workspace.repository, 'index', 'b'.repeat(64)), 'damaged')
  const second = await workspace.try('backup', 'docs', '--json')
  expect([second.code, second.stderr]).toEqual([3, expect.stringMatching(/^error: index bbbbbbbb.*damaged/m)])
  expect(JSON.parse(second.stdout)).toMatchObject({ sources: [{ source: 'docs' }] })
})
