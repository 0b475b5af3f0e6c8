import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AppError, addKey, changePassword, examine, listKeys, openApp, removeKey, Secret } from '../../src/lib.ts'
import { Workspace } from '../helpers/workspace.ts'

test('passwords are changed without a command line, recorded, and the configuration goes on working', {
  timeout: 120_000,
}, async () => {
  const workspace = new Workspace()
  const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
  const second = '  second: { url: ./second, passwordEnv: SECOND }\nsources:'
  writeFileSync(workspace.path('lifeboat.yaml'), config.replace('sources:', second))
  const options = { folder: workspace.dir, environment: { ...process.env, SECOND: 'of the second' } }
  const app = await openApp(options)
  await app.createRepository('main')
  await app.createRepository('second')
  await expect(listKeys(app, undefined)).rejects.toMatchObject({ code: 'usage' })
  const added = await addKey(app, { named: 'main', password: new Secret('another') }, {})
  expect((await listKeys(app, 'main')).keys).toHaveLength(2)
  await removeKey(app, { named: 'main', id: added.key.id }, {})
  const changed = await changePassword(app, { named: 'main', password: new Secret('the new one') }, {})
  expect(changed.kept).toEqual({ how: 'replaced', file: workspace.path('password') })
  expect(readFileSync(workspace.path('password'), 'utf8')).toBe('the new one\n')
  const elsewhere = await changePassword(app, { named: 'second', password: new Secret('newer') }, {})
  expect(elsewhere.kept).toEqual({ how: 'elsewhere', where: 'SECOND' })
  const runs = await app.catalog.listRuns({ limit: 4 })
  expect(runs.map(({ operation }) => operation).toSorted()).toEqual([
    'key add',
    'key passwd',
    'key passwd',
    'key remove',
  ])
  await app.close()

  const again = await openApp(options)
  expect((await listKeys(again, 'main')).keys).toHaveLength(1)
  const surroundings = { environment: {}, clock: again.clock, programs: [], repository: 'main' }
  const { checks } = await examine(again, surroundings, {})
  expect(checks).toContainEqual(expect.objectContaining({ area: 'repository', name: 'main', status: 'ok' }))
  expect(checks).not.toContainEqual(expect.objectContaining({ area: 'repository', name: 'second' }))
  await again.close()
  const error = new AppError('config-invalid', 'line 1 is wrong')
  const sick = await examine({ error, named: true }, surroundings, {})
  expect([sick.healthy, sick.checks.find(({ area }) => area === 'configuration')?.status]).toEqual([false, 'error'])
})
