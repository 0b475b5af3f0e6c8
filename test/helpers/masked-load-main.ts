import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Manifest } from '../../src/model/manifest.ts'
import type { TreeNode } from '../../src/model/node.ts'
import { makeContext } from './drained-snapshot.ts'
import { maskOf } from './masks.ts'
import { sourceOf } from './postgres-samples.ts'

// Restores a stored logical snapshot with a mask in a process that can be killed: `masked-load-main.ts DIR URL MASK`, the
// mask as JSON of `maskOf`. DIR holds `manifest.json`, and `files.json`: the path of each file and where its bytes lie.
// Reads slowly, so that there is time for it.
const [dir = '', url = '', mask = ''] = process.argv.slice(2)
const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Manifest
const files = JSON.parse(await readFile(join(dir, 'files.json'), 'utf8')) as Array<{ path: string; file: string }>
const PIECE_BYTES = 64 * 1024
const PAUSE_MS = 20

const entries = await Promise.all(
  files.map(async ({ path, file }) => {
    const bytes = await readFile(file)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const node: TreeNode = { name, type: 'file', mode: 0o600, mtimeNs: 0n, uid: 0, gid: 0, sizeBytes: bytes.length }
    return { path, node, bytes }
  }),
)
process.send?.('ready')
await sourceOf(url).restore({
  ...(await makeContext(dir)),
  snapshot: {
    id: 'f'.repeat(64),
    manifest,
    async *entries() {
      yield* entries
    },
    restoreFiles: () => Promise.reject(new Error('a masked restore writes no archive to a file')),
    async *read(node) {
      const bytes = entries.find(entry => entry.node === node)?.bytes ?? Buffer.alloc(0)
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        yield bytes.subarray(at, at + PIECE_BYTES)
        await setTimeout(PAUSE_MS)
      }
    },
  },
  target: url,
  include: [],
  checks: true,
  delta: false,
  force: true,
  mask: maskOf(JSON.parse(mask) as Parameters<typeof maskOf>[0]),
})
process.disconnect()
