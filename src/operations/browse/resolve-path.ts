import { printableName, typedForms } from '../../base/bytes.ts'
import { AppError } from '../../base/errors.ts'
import type { TreeNode } from '../../model/node.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Snapshot } from '../../repository/index.ts'
import { sourceFolder, type TreeLoader } from './snapshot-tree.ts'

export interface ResolvedPath {
  /** As it is printed, and can be typed again: '' is the source's folder, '/' the snapshot's root. */
  readonly path: string
  readonly node: TreeNode
}

/**
 * What a person means by a path: one below the source's folder, or, with a leading '/', also one from the snapshot's
 * root. Names that are not text may be typed as they are printed (`\xff`), see `typedForms`. Symlinks are not followed.
 * Throws `not-found`, naming the part that is missing.
 */
export async function resolvePath(loader: TreeLoader, snapshot: Snapshot, path: string): Promise<ResolvedPath> {
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  const folder = sourceFolder(snapshot)
  const fromSource = [...(folder === '' ? [] : [folder]), ...parts]
  const absolute = path.startsWith('/') ? await descend(loader, snapshot, parts) : undefined
  if (absolute?.node !== undefined) return { path: `/${absolute.names.join('/')}`, node: absolute.node }
  const found = await descend(loader, snapshot, fromSource)
  if (found.node === undefined) throw notFound(snapshot, path, found.names.slice(folder === '' ? 0 : 1))
  return { path: found.names.slice(folder === '' ? 0 : 1).join('/'), node: found.node }
}

/** `names` as they are stored, as far as they were found. */
async function descend(
  loader: TreeLoader,
  snapshot: Snapshot,
  parts: readonly string[],
): Promise<{ readonly node: TreeNode | undefined; readonly names: readonly string[] }> {
  let node: TreeNode = { name: '', type: 'dir', mode: 0o755, mtimeNs: 0n, uid: 0, gid: 0, subtree: snapshot.tree }
  const names: string[] = []
  for (const part of parts) {
    const nodes: Iterable<TreeNode> = node.subtree === undefined ? [] : await loader.loadTree(node.subtree)
    const next = findTyped(nodes, part)
    if (next === undefined) return { node: undefined, names }
    names.push(next.name)
    node = next
  }
  return { node, names }
}

/** Throws `usage` where what was typed could be several. */
function findTyped(nodes: Iterable<TreeNode>, typed: string): TreeNode | undefined {
  const exact =
    findNode(nodes, ({ name }) => name === typed) ?? findNode(nodes, ({ name }) => printableName(name) === typed)
  if (exact !== undefined || !typed.includes('\ufffd')) return exact
  const [found, ...others] = filterNodes(nodes, ({ name }) => typedForms(name).includes(typed))
  if (found === undefined || others.length === 0) return found
  const forms = [found, ...others].map(({ name }) => printableName(name))
  throw new AppError('usage', `${typed} may be several names that are not text`, {
    hint: `Write the one that you mean, in quotes, as it is printed: ${forms.slice(0, 5).join(', ')}.`,
  })
}

function findNode(nodes: Iterable<TreeNode>, fits: (node: TreeNode) => boolean): TreeNode | undefined {
  for (const node of nodes) if (fits(node)) return node
  return undefined
}

function* filterNodes(nodes: Iterable<TreeNode>, fits: (node: TreeNode) => boolean): Generator<TreeNode> {
  for (const node of nodes) if (fits(node)) yield node
}

function notFound(snapshot: Snapshot, path: string, found: readonly string[]): AppError {
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  // The folder of the source itself, which a damaged snapshot may lack.
  const what = path === '' ? 'folder of its source' : path
  const near = found.length === 0 ? '' : ` ${found.map(printableName).join('/')}`
  return new AppError('not-found', `no ${what} in snapshot ${id}`, {
    hint: `Run "lifeboat ls ${id}${near === '' && path === '' ? ' /' : near}" to see what is there.`,
    context: { snapshot: snapshot.id, path },
  })
}
