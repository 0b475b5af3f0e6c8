import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeSourceContract } from '../../../test/contracts/source-contract.ts'
import { createFilesSource } from './files-source.ts'
import { filesOptions } from './options.ts'

describeSourceContract({
  kind: 'files',
  async make(dir) {
    const live = join(dir, 'live')
    await mkdir(join(live, 'docs/deep/deeper'), { recursive: true })
    await mkdir(join(live, 'empty'))
    await writeFile(join(live, 'a.txt'), 'first')
    await writeFile(join(live, 'nothing'), '')
    await writeFile(join(live, 'docs/big.bin'), Buffer.alloc(300_000, 'lifeboat'))
    await writeFile(join(live, 'docs/deep/deeper/leaf'), 'leaf')
    await symlink('../a.txt', join(live, 'docs/link'))
    return {
      source: createFilesSource('docs', filesOptions.parse({ path: 'live' }), { baseDir: dir }),
      async mutate(step) {
        await writeFile(join(live, `step-${step}`), `made in step ${step}`)
        await writeFile(join(live, 'a.txt'), `changed in step ${step}`)
      },
      digest: () => digest(live),
      digestRestored: digest,
      target: name => join(dir, 'targets', name),
      close: () => Promise.resolve(),
    }
  },
  makeMissing: dir =>
    Promise.resolve(createFilesSource('gone', filesOptions.parse({ path: 'gone' }), { baseDir: dir })),
})

async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.map(entry => ({ entry, path: join(entry.parentPath, entry.name) }))
  for (const { entry, path } of paths.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path.slice(folder.length)}\0${entry.isDirectory()}\0`)
    if (entry.isFile()) hash.update(await readFile(path))
  }
  return hash.digest('hex')
}
