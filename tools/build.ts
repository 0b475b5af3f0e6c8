/**
 * `npm run build`: bundles src/ into dist/ for the published package. Few files load faster than the many that they are
 * made of. See docs/decisions/tools.md.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** Native code, and packages that bring no licence file to pass on. */
const EXTERNAL = ['sodium-native', 'pg', 'pg-copy-streams']
/** What is started or imported from outside; the rest becomes parts of these. Programs: `programFile` in src/base. */
const DOORS = ['src/main.ts', 'src/lib.ts', 'src/repository/index.ts']
const PROGRAMS = globSync(['src/**/worker.ts', 'src/**/*-process.ts'])

rmSync('dist', { recursive: true, force: true })
const types = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' }).status ?? 1
if (types === 0) await bundle()
process.exitCode = types

async function bundle(): Promise<void> {
  const build = await rolldown({
    input: Object.fromEntries([...DOORS, ...PROGRAMS].map(file => [file.replace(/^src\/|\.ts$/g, ''), file])),
    platform: 'node',
    external: EXTERNAL,
  })
  const { output } = await build.write({ dir: 'dist', format: 'esm', chunkFileNames: 'parts/[name]-[hash].js' })
  await build.close()
  const modules = output.flatMap(part => (part.type === 'chunk' ? part.moduleIds : []))
  writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licensesOf(modules))
}

/** Whoever passes a package's code on passes its licence on with it. */
function licensesOf(modules: readonly string[]): string {
  const folders = modules.flatMap(module => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0] ?? [])
  const texts = [...new Set(folders)].toSorted().map(folder => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${folder} has no licence to pass on`)
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}
