import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeApplication } from '../helpers/application.ts'
import { lifeboat, startLifeboat } from '../helpers/spawn.ts'

test('init that is killed at any moment works when it is repeated', async () => {
  const dir = makeApplication()
  const started = performance.now()
  await lifeboat(['init', '--yes'], { cwd: dir })
  const usualMs = performance.now() - started
  for (let part = 1; part <= 8; part++) {
    for (const name of ['.lifeboat', 'backups', 'lifeboat.yaml', '.gitignore']) {
      rmSync(join(dir, name), { recursive: true, force: true })
    }
    const running = startLifeboat(['init', '--yes'], { cwd: dir })
    setTimeout(() => running.child.kill('SIGKILL'), (usualMs * (part + 2)) / 10)
    await running.result
    await lifeboat(['init', '--yes'], { cwd: dir })
    await lifeboat(['backup', 'app'], { cwd: dir })
    expect(JSON.parse(await lifeboat(['snapshots', '--json'], { cwd: dir }))).toHaveLength(1)
  }
})
