import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/model/manifest.ts'
import type { TreeNode } from '../../src/model/node.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { makeContext } from './drained-snapshot.ts'
import { maskOf } from './masks.ts'

// Restores one stored database file in a process that can be killed: `restore-main.ts DIR STORED TARGET FORCE [MASK]`, the
// mask as JSON of `maskOf`. Writes slowly, block by block, so that there is time for it.
const [dir = '', stored = '', target = '', force = '', mask] = process.argv.slice(2)
const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Manifest
const bytes = await readFile(stored)
const node: TreeNode = {
  name: 'app.db',
  type: 'file',
  mode: 0o644,
  mtimeNs: 0n,
  uid: 0,
  gid: 0,
  sizeBytes: bytes.length,
}
process.send?.('ready')
await new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }).restore({
  ...(await makeContext(dir)),
  snapshot: {
    id: 'f'.repeat(64),
    manifest,
    async *entries() {
      yield { path: 'app.db', node }
    },
    async restoreFiles(files) {
      for (const { path } of files) {
        const file = await open(path, 'r+')
        for (let at = 0; at < bytes.length; at += 100_000)
          await file.write(bytes.subarray(at, at + 100_000), 0, undefined, at)
        await file.truncate(bytes.length)
        await file.close()
      }
      return { totalBytes: bytes.length, writtenBytes: bytes.length }
    },
    async *read() {
      yield bytes
    },
  },
  target,
  force: force === 'true',
  delta: true,
  checks: true,
  include: [],
  ...(mask === undefined ? {} : { mask: maskOf(JSON.parse(mask) as Parameters<typeof maskOf>[0]) }),
})
process.disconnect()
