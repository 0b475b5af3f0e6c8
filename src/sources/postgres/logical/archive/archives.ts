import { join } from 'node:path'
import { decodeName } from '../../../../base/bytes.ts'
import type { Child } from '../../../../base/child.ts'
import { AppError } from '../../../../base/errors.ts'
import { makeFolders } from '../../../../base/make-folders.ts'
import { type PostgresTools, requireSuccess, startTool, type ToolRequest } from '../../../../clients/postgres/index.ts'
import type { TreeNode } from '../../../../model/node.ts'
import type { SnapshotReader } from '../../../source.ts'

/** The files of a logical snapshot, by path. */
export class Archives {
  readonly snapshot: SnapshotReader
  readonly #nodes: ReadonlyMap<string, TreeNode>

  private constructor(snapshot: SnapshotReader, nodes: ReadonlyMap<string, TreeNode>) {
    this.snapshot = snapshot
    this.#nodes = nodes
  }

  static async of(snapshot: SnapshotReader): Promise<Archives> {
    const nodes = new Map<string, TreeNode>()
    for await (const { path, node } of snapshot.entries()) if (node.type === 'file') nodes.set(path, node)
    return new Archives(snapshot, nodes)
  }

  has(path: string): boolean {
    return this.#nodes.has(path)
  }

  sizeBytes(path: string): number {
    return this.#get(path).sizeBytes ?? 0
  }

  read(path: string): AsyncIterable<Buffer> {
    return this.snapshot.read(this.#get(path))
  }

  /** A short file; empty when there is none. */
  async readText(path: string): Promise<string> {
    if (!this.has(path)) return ''
    const parts: Buffer[] = []
    for await (const part of this.read(path)) parts.push(part)
    return decodeName(Buffer.concat(parts))
  }

  /** Copies files to a folder, where several processes can read them at once. Their paths there. */
  async spool(paths: readonly string[], dir: string): Promise<string[]> {
    await makeFolders(dir, 0o700)
    const files = paths.map((path, i) => ({ node: this.#get(path), path: join(dir, `${i}.dump`), delta: false }))
    await this.snapshot.restoreFiles(files)
    return files.map(file => file.path)
  }

  #get(path: string): TreeNode {
    const node = this.#nodes.get(path)
    if (node) return node
    throw new AppError('damaged', `snapshot ${this.snapshot.id.slice(0, 8)} lacks ${path}, which its manifest names`, {
      hint: 'Run "lifeboat check --read-data", and restore an earlier snapshot.',
    })
  }
}

/** Streams an archive into a program's stdin. Ends early when the program takes no more: its exit says why. */
export async function feed(child: Child, bytes: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const part of bytes) if (!(await child.write(part))) break
  } catch (error) {
    await child.stop()
    throw error
  }
  child.endInput()
}

/** Runs `pg_restore` over an archive to its end, `consume` taking what it writes. */
export async function runOverArchive(
  tools: PostgresTools,
  request: Omit<ToolRequest, 'tool' | 'stdin'>,
  bytes: AsyncIterable<Buffer>,
  doing: string,
  consume?: (child: Child) => Promise<void>,
): Promise<void> {
  const tool = { ...request, tool: 'pg_restore', stdin: 'pipe' as const }
  const child = await startTool(tools, tool)
  const feeding = feed(child, bytes)
  // A failure of the archive itself is told first: what pg_restore says of half an archive is only its echo.
  feeding.catch(() => {})
  try {
    if (consume) await consume(child)
    await feeding
    requireSuccess(child, await child.wait(), tool, doing)
  } finally {
    await child.stop()
    await feeding.catch(() => {})
  }
}
