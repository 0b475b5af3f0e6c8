import { AppError } from '../../base/errors.ts'
import { plainPath } from '../../model/incomplete.ts'
import type { Manifest } from '../../model/manifest.ts'
import { parseManifest } from '../../model/manifest-schema.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Contents, Snapshot } from '../../repository/index.ts'
import { NodeLookup } from './node-lookup.ts'

export const MANIFEST_FOLDER = '.lifeboat'
export const MANIFEST_FILE = 'manifest.json'
/** In the same folder. */
export const CONFIGURATION_FILE = 'lifeboat.yaml'

/** Manifests are JSON of tables and files; one bigger than this is not ours. */
const MANIFEST_LIMIT_BYTES = 256 * 1024 * 1024

/** The part of a repository that looking into trees needs. */
export type TreeLoader = Pick<Contents, 'loadTree'>

/** A path below another. '' is the source's folder, '/' the snapshot's root. */
export function joinPath(folder: string, name: string): string {
  return folder === '' || folder === '/' ? folder + name : `${folder}/${name}`
}

export interface TreeEntry {
  /** '/'-separated, no leading '/', relative to where the walk began. */
  readonly path: string
  readonly node: TreeNode
}

/**
 * Paths in one snapshot's tree. The folders on the way to the last path are kept open, since neighbours are asked for in
 * turn: however deep they lie, the next one costs no more than its own folder.
 */
export class SnapshotTree {
  readonly #repository: TreeLoader
  readonly #root: Id
  /** From the root on, each in the one before it. */
  #open: OpenFolder[] = []

  constructor(repository: TreeLoader, root: Id) {
    this.#repository = repository
    this.#root = root
  }

  /** The node at a path, '' being the root (a bare directory node). */
  async findNode(path: string): Promise<TreeNode | undefined> {
    const plain = plainPath(path)
    if (plain === '') return rootNode(this.#root)
    const slash = plain.lastIndexOf('/')
    const folder = await this.#folder(slash < 0 ? '' : plain.slice(0, slash))
    return folder?.find(plain.slice(slash + 1))
  }

  /** Everything below a directory, directories before what is in them, depth first, in byte order of the names. */
  walk(from: TreeNode, prefix = ''): AsyncGenerator<TreeEntry> {
    return walkTree(id => this.#repository.loadTree(id), from, prefix)
  }

  /** Undefined: there is no such folder. Two lookups at once may load the same one twice, and disturb nothing else. */
  async #folder(path: string): Promise<NodeLookup | undefined> {
    const open = [...this.#open]
    while (open.length > 0 && !isAtOrBelow(path, open.at(-1)?.path ?? '')) open.pop()
    if (open.length === 0) open.push({ path: '', nodes: await this.#load(this.#root) })
    for (let top = open.at(-1); top !== undefined && top.path !== path; top = open.at(-1)) {
      const end = path.indexOf('/', top.path === '' ? 0 : top.path.length + 1)
      const next = end < 0 ? path : path.slice(0, end)
      const subtree = top.nodes.find(next.slice(next.lastIndexOf('/') + 1))?.subtree
      if (subtree === undefined) return undefined
      open.push({ path: next, nodes: await this.#load(subtree) })
    }
    this.#open = open
    return open.at(-1)?.nodes
  }

  async #load(id: Id): Promise<NodeLookup> {
    return new NodeLookup(await this.#repository.loadTree(id))
  }
}

interface OpenFolder {
  readonly path: string
  readonly nodes: NodeLookup
}

function isAtOrBelow(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}

/** What is in a folder; undefined for one to pass over. */
export type LoadFolder = (subtree: Id, path: string) => Promise<Iterable<TreeNode> | undefined>

/** See `SnapshotTree.walk`. Not by recursion: an entry would pass through as many generators as it lies deep. */
export async function* walkTree(
  load: LoadFolder,
  from: TreeNode,
  prefix = '',
  goesInto: (folder: TreeNode) => boolean = () => true,
): AsyncGenerator<TreeEntry> {
  const open: Array<{ readonly prefix: string; readonly nodes: Iterator<TreeNode> }> = []
  const enter = async ({ subtree }: TreeNode, path: string): Promise<void> => {
    const nodes = subtree === undefined ? undefined : await load(subtree, path)
    if (nodes !== undefined) open.push({ prefix: path, nodes: nodes[Symbol.iterator]() })
  }
  await enter(from, prefix)
  for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
    const next = folder.nodes.next()
    if (next.done) {
      open.pop()
      continue
    }
    const node = next.value
    const path = joinPath(folder.prefix, node.name)
    yield { path, node }
    if (node.type === 'dir' && goesInto(node)) await enter(node, path)
  }
}

function rootNode(subtree: Id): TreeNode {
  return { name: '', type: 'dir', mode: 0o755, mtimeNs: 0n, uid: 0, gid: 0, subtree }
}

/** The folder that holds the source in its snapshot; the whole tree where another program wrote the snapshot. */
export function sourceFolder(snapshot: Snapshot): string {
  return labelsOf(snapshot.tags).source ?? ''
}

/** The source's folder as a node. `damaged` when the snapshot lacks it. */
export async function getSourceRoot(tree: SnapshotTree, snapshot: Snapshot): Promise<TreeNode> {
  const folder = sourceFolder(snapshot)
  const node = await tree.findNode(folder)
  if (node !== undefined) return node
  throw new AppError('damaged', `snapshot ${snapshot.id.slice(0, 8)} has no folder /${folder}`, {
    hint: `Run "lifeboat ls ${snapshot.id.slice(0, 8)}" to see what is in it.`,
  })
}

/** One larger than this is no configuration. */
const CONFIGURATION_LIMIT_BYTES = 4 * 1024 * 1024

/** The configuration that was kept with a snapshot. Whoever could write to the repository may have written it. */
export async function loadKeptConfiguration(contents: Readable, snapshot: Snapshot): Promise<string | undefined> {
  return await loadOwnFile(contents, snapshot, CONFIGURATION_FILE, CONFIGURATION_LIMIT_BYTES)
}

/** The snapshot's manifest; undefined where there is none (another program's) or it is not understood. */
export async function loadManifest(contents: Readable, snapshot: Snapshot): Promise<Manifest | undefined> {
  const text = await loadOwnFile(contents, snapshot, MANIFEST_FILE, MANIFEST_LIMIT_BYTES)
  return text === undefined ? undefined : parseManifest(text, snapshot.time)
}

type Readable = Pick<Contents, 'loadTree' | 'loadContent'>

async function loadOwnFile(
  contents: Readable,
  snapshot: Snapshot,
  name: string,
  limitBytes: number,
): Promise<string | undefined> {
  if (labelsOf(snapshot.tags).source === undefined) return undefined
  const node = await new SnapshotTree(contents, snapshot.tree).findNode(`${MANIFEST_FOLDER}/${name}`)
  if (node?.content === undefined || (node.sizeBytes ?? 0) > limitBytes) return undefined
  return (await contents.loadContent(node.content)).toString('utf8')
}
