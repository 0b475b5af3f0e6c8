import { execFileSync } from 'node:child_process'
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  type DrainOptions,
  drain,
  makeTempDir,
  removeDir,
} from '../../../test/helpers/drained-snapshot.ts'
import { createFilesSource } from './files-source.ts'
import { filesOptions } from './options.ts'

let dir = ''
let live = ''

beforeEach(async () => {
  dir = await makeTempDir('lifeboat-files-')
  live = join(dir, 'live')
  await mkdir(live)
})

afterEach(() => removeDir(dir))

const capture = (options: Record<string, unknown> = {}, how: DrainOptions = {}): Promise<DrainedSnapshot> =>
  drain(createFilesSource('docs', filesOptions.parse({ path: 'live', ...options }), { baseDir: dir }), dir, how)

const paths = (snapshot: DrainedSnapshot): string[] =>
  snapshot.entries.map(entry => entry.path).filter(path => path !== '')

async function put(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(join(live, file, '..'), { recursive: true })
    await writeFile(join(live, file), `content of ${file}`)
  }
}

describe('what is left out', () => {
  it('by the rules of .gitignore', async () => {
    await put(
      'a.log',
      'keep.log',
      'node_modules/x/y',
      'src/node_modules/z',
      'src/main.ts',
      'tmp/t',
      'src/tmp/t',
      'A.LOG',
    )
    const exclude = ['*.log', '!keep.log', 'node_modules/', '/tmp']
    expect(paths(await capture({ exclude }))).toEqual([
      'A.LOG',
      'keep.log',
      'src',
      'src/main.ts',
      'src/tmp',
      'src/tmp/t',
    ])
  })

  it.each([
    ['doc/**/draft', 'doc/a/b/draft', true],
    ['doc/*/draft', 'doc/a/b/draft', false],
    ['*.o', 'deep/er/x.o', true],
    ['/x.o', 'deep/x.o', false],
    ['build', 'sub/build/out', true],
    ['only-dirs/', 'only-dirs', false],
    ['with space', 'with space', true],
    ['[ab].txt', 'b.txt', true],
    ['\\#notes', '#notes', true],
    ['# a comment', '# a comment', false],
  ])('%s leaves out %s: %s', async (pattern, file, leftOut) => {
    await put(file)
    expect(paths(await capture({ exclude: [pattern] })).includes(file)).toBe(!leftOut)
  })

  it('what CACHEDIR.TAG or another file marks, keeping the mark', async () => {
    await put('cache/x', 'fake/x', 'fake/CACHEDIR.TAG', 'off/y/z', 'off/.nobackup', 'on/y')
    await writeFile(join(live, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n# by a test')
    const kept = await capture({ excludeCaches: true, excludeIfPresent: ['.nobackup'] })
    expect(paths(kept)).toEqual([
      'cache',
      'cache/CACHEDIR.TAG',
      'fake',
      'fake/CACHEDIR.TAG',
      'fake/x',
      'off',
      'off/.nobackup',
      'on',
      'on/y',
    ])
  })

  it('a mark that is a fifo does not make it wait', async () => {
    await put('odd/x')
    execFileSync('mkfifo', [join(live, 'odd/CACHEDIR.TAG')])
    expect(paths(await capture({ excludeCaches: true }))).toContain('odd/x')
  })

  it('big files', async () => {
    await put('small')
    await writeFile(join(live, 'big'), '')
    await truncate(join(live, 'big'), 5_000_001)
    await writeFile(join(live, 'fits'), '')
    await truncate(join(live, 'fits'), 5_000_000)
    expect(paths(await capture({ excludeLargerThan: '5MB' }))).toEqual(['fits', 'small'])
  })

  it('our own repositories and state, by whatever path they are named', async () => {
    await put('data', 'backups/config', '.lifeboat/password')
    await symlink(live, join(dir, 'alias'))
    const excludePaths = [join(dir, 'alias/backups'), join(live, '.lifeboat'), join(live, 'not-there')]
    expect(paths(await capture({}, { excludePaths }))).toEqual(['data'])
    const whole = capture({ path: 'live/backups' }, { excludePaths })
    await expect(whole).rejects.toMatchObject({ code: 'source-invalid' })
  })

  it('leaves out nothing when there are many names to forget', async () => {
    await Promise.all(Array.from({ length: 600 }, (_, index) => writeFile(join(live, `f${index}`), '')))
    expect(paths(await capture({ exclude: ['*.log'] }))).toHaveLength(600)
  })
})
