import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/model/manifest.ts'
import type { TreeNode } from '../../src/model/node.ts'
import { merge } from '../../src/operations/merge/merge.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { makeContext } from './drained-snapshot.ts'

// Merges one stored database file into app.db in a process that can be killed: `merge-main.ts DIR STORED`. Says `merging`
// when the transaction has begun.
const [dir = '', stored = ''] = process.argv.slice(2)
const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Manifest
const node: TreeNode = { name: 'app.db', type: 'file', mode: 0o644, mtimeNs: 0n, uid: 0, gid: 0 }
let told = false
await merge({
  ...(await makeContext(dir)),
  source: new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }),
  snapshot: {
    id: 'f'.repeat(64),
    manifest,
    async *entries() {
      yield { path: 'app.db', node }
    },
    async restoreFiles(files) {
      for (const { path } of files) await copyFile(stored, path)
      return { totalBytes: 0, writtenBytes: 0 }
    },
    async *read() {},
  },
  rules: { tables: {}, references: {}, triggers: false },
  dryRun: false,
  onProgress: ({ phase }) => {
    if (phase !== 'merging' || told) return
    told = true
    process.send?.('merging')
  },
})
process.disconnect()
