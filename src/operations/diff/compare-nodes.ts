import type { ExtendedAttribute, Id, TreeNode } from '../../model/node.ts'

/** How one path differs. `content`: of a file, or where a symlink points to. `metadata`: owner, mode, times, attributes. */
export type ChangeKind = 'added' | 'removed' | 'content' | 'type' | 'metadata'

/** How two nodes of one name differ; undefined when they do not. What is below folders is not looked at. */
export function compareNodes(before: TreeNode, after: TreeNode): 'content' | 'type' | 'metadata' | undefined {
  if (before.type !== after.type) return 'type'
  if (!sameContent(before, after)) return 'content'
  return sameMetadata(before, after) ? undefined : 'metadata'
}

/**
 * The content differs although size, times and inode say that nobody wrote to the file: a disk or a program that
 * forges times changed it.
 */
export function isUnexplained(before: TreeNode, after: TreeNode): boolean {
  return (
    before.type === 'file' &&
    before.sizeBytes === after.sizeBytes &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs !== undefined &&
    before.ctimeNs === after.ctimeNs &&
    before.inode === after.inode
  )
}

function sameContent(before: TreeNode, after: TreeNode): boolean {
  if (before.type === 'file') return sameIds(before.content ?? [], after.content ?? [])
  return before.linkTarget === after.linkTarget && before.device === after.device
}

function sameIds(before: readonly Id[], after: readonly Id[]): boolean {
  return before.length === after.length && before.every((id, index) => id === after[index])
}

/** Inodes and change times are left out: they say that a file was touched, not what of it a restore would bring back. */
function sameMetadata(before: TreeNode, after: TreeNode): boolean {
  return (
    before.mode === after.mode &&
    before.mtimeNs === after.mtimeNs &&
    before.uid === after.uid &&
    before.gid === after.gid &&
    before.user === after.user &&
    before.group === after.group &&
    attributesText(before.extendedAttributes) === attributesText(after.extendedAttributes)
  )
}

function attributesText(attributes: readonly ExtendedAttribute[] = []): string {
  const lines = attributes.map(({ name, value }) => `${JSON.stringify(name)}=${Buffer.from(value).toString('hex')}`)
  return lines.sort().join('\n')
}
