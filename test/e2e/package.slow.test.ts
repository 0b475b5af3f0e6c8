import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { OLD_NODE } from '../helpers/old-node.ts'
import { mustRun, runCommand } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** As in a program of somebody who has nothing beside this package: its types need no other. */
async function compileAndRunExample(home: string, demo: string): Promise<void> {
  const example = 'backup-and-restore.ts'
  copyFileSync(join(ROOT, 'examples/embedded', example), join(home, example))
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2024'],
    strict: true,
    noEmit: true,
    types: [],
  }
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [example] }))
  writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }')
  await mustRun(join(ROOT, 'node_modules/.bin/tsc'), ['-p', home])
  const said = await mustRun(process.execPath, [join(home, example), 'shop'], { cwd: demo })
  expect(said).toMatch(/^shop -> main: snapshot [0-9a-f]{8}$/m)
  expect(said).toContain('comes back: true')
}

describe('the published package', () => {
  it('installs from its tarball into an empty folder and runs the demo', async () => {
    const dir = makeTempDir()
    await mustRun('npm', ['pack', '--pack-destination', dir], { cwd: ROOT })
    const tarball = readdirSync(dir).find(name => name.endsWith('.tgz'))
    expect(tarball).toBeDefined()
    const home = join(dir, 'empty')
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), '{ "private": true }')
    await mustRun('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(dir, tarball ?? '')], {
      cwd: home,
    })
    const installed = join(home, 'node_modules/lifeboat')
    expect(readdirSync(installed)).not.toContain('src')
    expect(readdirSync(installed)).not.toContain('test')
    // Their code is in ours, and their licences go with it.
    expect(readFileSync(join(installed, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8')).toMatch(
      /^zod \d.*Permission is hereby granted/ms,
    )
    const bin = join(home, 'node_modules/.bin/lifeboat')
    const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await mustRun(bin, ['--version'])).toContain(own.version)
    const story = await mustRun(bin, ['demo'], { cwd: home })
    expect(story).toMatch(/All \d+ rows of 11 tables equal/)
    expect(story).toContain('npx lifeboat snapshots')
    // What the demo leaves behind works by the words that it prints.
    const demo = join(home, 'demo')
    expect(existsSync(join(demo, 'lifeboat.yaml'))).toBe(true)
    const listed = JSON.parse(await mustRun('npx', ['lifeboat', 'snapshots', '--json'], { cwd: demo })) as unknown[]
    expect(listed).toHaveLength(2)
    // Again, in the same folder, for programs.
    const answer: unknown = JSON.parse(await mustRun(bin, ['demo', '--json'], { cwd: home }))
    expect(JSON_OUTPUTS.demo.parse(answer)).toMatchObject({ dir: demo })
    const library =
      "import { ERROR_CODES } from 'lifeboat'; import * as repository from 'lifeboat/repository'; console.log(typeof ERROR_CODES, typeof repository)"
    writeFileSync(join(home, 'library.mjs'), library)
    await mustRun(process.execPath, ['library.mjs'], { cwd: home })
    await compileAndRunExample(home, demo)
    if (OLD_NODE === undefined) return
    const { stderr } = await runCommand(OLD_NODE, ['library.mjs'], { cwd: home })
    expect(stderr).toMatch(/Lifeboat needs Node [\d.]+ or newer, this is \d.*npm install node@/)
  })
})
