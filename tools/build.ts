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
const DOORS = ['src/main.ts']
/** What other programs import, by the name of its bundle. */
const LIBRARIES = { lib: 'src/lib.ts', 'repository/index': 'src/repository/index.ts' } as const
const PROGRAMS = globSync(['src/**/worker.ts', 'src/**/*-process.ts'])

rmSync('dist', { recursive: true, force: true })
const types = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' }).status ?? 1
if (types === 0) await bundle()
process.exitCode = types

async function bundle(): Promise<void> {
  const build = await rolldown({
    input: {
      ...Object.fromEntries([...DOORS, ...PROGRAMS].map(file => [file.replace(/^src\/|\.ts$/g, ''), file])),
      ...Object.fromEntries(Object.entries(LIBRARIES).map(([name, file]) => [bundleOf(name), file])),
    },
    platform: 'node',
    external: EXTERNAL,
  })
  const { output } = await build.write({ dir: 'dist', format: 'esm', chunkFileNames: 'parts/[name]-[hash].js' })
  await build.close()
  const modules = output.flatMap(part => (part.type === 'chunk' ? part.moduleIds : []))
  for (const name of Object.keys(LIBRARIES)) {
    const chunk = output.find(part => part.fileName === `${bundleOf(name)}.js`)
    if (chunk?.type !== 'chunk') throw new Error(`there is no bundle of ${name}`)
    writeFileSync(`dist/${name}.js`, doorOf(name, chunk.exports))
  }
  // Whoever compiles against us need not know that our types name Node's.
  writeFileSync('dist/lib.d.ts', `/// <reference types="node" />\n${readFileSync('dist/lib.d.ts', 'utf8')}`)
  writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licensesOf(modules))
}

function bundleOf(name: string): string {
  return `${name}-bundle`
}

/** A Node that is too old can't even link the bundle: what is imported from outside says so before it comes to that. */
function doorOf(name: string, exports: readonly string[]): string {
  const up = '../'.repeat(name.split('/').length)
  const file = `./${bundleOf(name.split('/').at(-1) ?? '')}.js`
  return `import { describeOldNode, isNewEnough } from '${up}bin/node-version.js'
if (!isNewEnough(process.versions.node)) {
  const { message, hint } = describeOldNode(process.versions.node)
  throw new Error(\`\${message}. \${hint}\`)
}
export const { ${exports.toSorted().join(', ')} } = await import('${file}')
`
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
