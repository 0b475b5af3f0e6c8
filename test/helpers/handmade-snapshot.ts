import { writeFile } from 'node:fs/promises'
import { encodeName } from '../../src/base/bytes.ts'
import type { TreeNode } from '../../src/model/node.ts'
import type { FileToRestore, SnapshotReader } from '../../src/sources/source.ts'

export type HandmadeNode = Partial<TreeNode> & { readonly data?: string }

/** A snapshot as nobody honest would make it. */
export function handmade(
  nodes: Readonly<Record<string, HandmadeNode>> | ReadonlyArray<readonly [string, HandmadeNode]>,
): SnapshotReader & {
  readonly asked: FileToRestore[]
} {
  const list = Array.isArray(nodes) ? (nodes as ReadonlyArray<readonly [string, HandmadeNode]>) : Object.entries(nodes)
  const asked: FileToRestore[] = []
  const data = new Map<TreeNode, string>()
  const entries = list.map(([path, { data: content = '', ...node }]) => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const base = {
      name,
      type: 'file',
      mode: 0o644,
      mtimeNs: 10n ** 18n,
      uid: process.geteuid?.() ?? 0,
      gid: process.getegid?.() ?? 0,
    } as const
    const whole: TreeNode = { ...base, ...node, sizeBytes: content.length }
    data.set(whole, content)
    return { path, node: whole }
  })
  return {
    asked,
    id: 'ab'.repeat(32),
    manifest: undefined,
    async *entries() {
      yield* entries
    },
    async restoreFiles(files) {
      let totalBytes = 0
      for (const file of files) {
        asked.push(file)
        await writeFile(encodeName(file.path), data.get(file.node) ?? '')
        totalBytes += file.node.sizeBytes ?? 0
      }
      return { totalBytes, writtenBytes: totalBytes }
    },
    async *read() {},
  }
}
