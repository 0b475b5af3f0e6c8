import { compareNames, decodeName, encodeName } from '../../base/bytes.ts'
import type { ExtendedAttribute, Id, NodeType, TreeNode } from '../../model/node.ts'
import { areIds } from './file-keys.ts'
import { goString, invalid, JsonObject, utf8 } from './json.ts'
import { formatGoMode, parseGoMode } from './mode.ts'
import { quoteName, unquoteName } from './quoted-name.ts'
import { formatTime, parseTime, ZERO_TIME } from './time.ts'

const TYPES: ReadonlySet<string> = new Set<NodeType>([
  'file',
  'dir',
  'symlink',
  'dev',
  'chardev',
  'fifo',
  'socket',
  'irregular',
])
const MAX_ATTRIBUTE_BYTES = 16 * 1024 * 1024
const BIG_NUMBER = /"(?:inode|device_id|device)":\d{16}/

/** Contents of so many blobs are written where they belong; shorter ones travel with the text around them. */
const LONG_CONTENT = 64
/** An id, its quotes, and a comma or a bracket. */
const LISTED_ID_BYTES = 64 + 3
const WRITTEN_TOGETHER = 1024

export const TREE_START = '{"nodes":['
export const TREE_END = ']}\n'

/** A tree's plaintext, as restic writes it: nodes by name in byte order, one newline at the end. Names must differ. */
export function formatTree(nodes: readonly TreeNode[]): Buffer {
  return formatNodes(sortNodes(nodes), TREE_START, TREE_END)
}

export function sortNodes(nodes: readonly TreeNode[]): TreeNode[] {
  return [...nodes].sort((a, b) => compareNames(a.name, b.name))
}

/** Some nodes of a tree, in the order given, with a comma between two of them. */
export function formatNodes(sorted: readonly TreeNode[], before: string, after: string): Buffer {
  const pieces: (string | readonly Id[])[] = []
  let text = before
  for (const [i, node] of sorted.entries()) {
    const { content = [] } = node
    const { head, tail } = formatNode(node)
    text += `${i === 0 ? '' : ','}${head},"content":`
    if (content.length < LONG_CONTENT) text += formatContent(node)
    else {
      pieces.push(text, content)
      text = ''
    }
    text += tail
  }
  pieces.push(text + after)
  return joinPieces(pieces)
}

// Into memory of the right size at once: as text, the 100 000 blobs of a database would be there three times over.
function joinPieces(pieces: readonly (string | readonly Id[])[]): Buffer {
  const sizes = pieces.map(piece =>
    typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length * LISTED_ID_BYTES + 1,
  )
  const out = Buffer.allocUnsafeSlow(sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  for (const [i, piece] of pieces.entries()) {
    if (typeof piece === 'string') out.write(piece, at)
    else writeIds(out, at, piece)
    at += sizes[i] ?? 0
  }
  return out
}

function writeIds(out: Buffer, start: number, ids: readonly Id[]): void {
  let at = start + out.write('[', start)
  for (let i = 0; i < ids.length; i += WRITTEN_TOGETHER) {
    at += out.write(`"${ids.slice(i, i + WRITTEN_TOGETHER).join('","')}",`, at, 'latin1')
  }
  // In place of the last comma.
  out.write(']', at - 1)
}

// Built by hand: hex and numbers need no escaping. `head`: up to the content; `tail`: after it.
function formatNode(node: TreeNode): { head: string; tail: string } {
  const head = [
    `{"name":${goString(quoteName(node.name))},"type":"${node.type}"`,
    numberField('mode', formatGoMode(node.type, node.mode)),
    `,"mtime":"${formatTime(node.mtimeNs)}","atime":"${formatTime(node.atimeNs ?? node.mtimeNs)}"`,
    `,"ctime":"${node.ctimeNs === undefined ? ZERO_TIME : formatTime(node.ctimeNs)}"`,
    `,"uid":${node.uid},"gid":${node.gid}`,
    textField('user', node.user),
    textField('group', node.group),
    numberField('inode', node.inode),
    numberField('device_id', node.deviceId),
    numberField('size', node.sizeBytes),
    numberField('links', node.links),
    linkTarget(node.linkTarget),
    extendedAttributes(node.extendedAttributes),
    numberField('device', node.device),
  ]
  return { head: head.join(''), tail: node.subtree === undefined ? '}' : `,"subtree":"${node.subtree}"}` }
}

function formatContent(node: TreeNode): string {
  const content = node.content ?? []
  if (content.length > 0) return `["${content.join('","')}"]`
  return node.type === 'file' ? '[]' : 'null'
}

function textField(key: string, value: string | undefined): string {
  return value ? `,"${key}":${goString(value)}` : ''
}

function numberField(key: string, value: number | bigint | undefined): string {
  return value ? `,"${key}":${value}` : ''
}

function linkTarget(target: string | undefined): string {
  if (!target) return ''
  // A JSON string cannot hold bytes that are not UTF-8: those go to linktarget_raw.
  if (target.isWellFormed()) return `,"linktarget":${goString(target)}`
  const shown = goString(target.toWellFormed()).replaceAll('\ufffd', '\\ufffd')
  return `,"linktarget":${shown},"linktarget_raw":"${encodeName(target).toString('base64')}"`
}

function extendedAttributes(list: readonly ExtendedAttribute[] | undefined): string {
  if (!list || list.length === 0) return ''
  const parts = list.map(({ name, value }) => {
    return `{"name":${goString(name)},"value":"${Buffer.from(value).toString('base64')}"}`
  })
  return `,"extended_attributes":[${parts.join(',')}]`
}

/** Nodes in byte order of their names, as stored. Names that could leave the folder, or that repeat, are `damaged`. */
export function parseTree(bytes: Uint8Array, subject: string): TreeNode[] {
  const nodes = parseNodes(bytes, subject)
  if (!areInOrder(nodes)) {
    nodes.sort((a, b) => compareNames(a.name, b.name))
    if (nodes.some((node, i) => node.name === nodes[i - 1]?.name)) throw invalid(subject, 'a name is there twice')
  }
  return nodes
}

/** As `parseTree`, in the order in which they are stored; names may repeat. */
export function parseNodes(bytes: Uint8Array, subject: string): TreeNode[] {
  return parseJson(utf8(bytes), subject)
    .list('nodes')
    .map(value => parseNode(new JsonObject(value, subject)))
}

/** Each name comes after the one before it, the first after `before`. */
export function areInOrder(nodes: readonly TreeNode[], before?: string): boolean {
  return nodes.every((node, i) => {
    const last = i === 0 ? before : nodes[i - 1]?.name
    return last === undefined || compareNames(last, node.name) < 0
  })
}

function parseJson(text: string, subject: string): JsonObject {
  // Inode and device numbers have 64 bits. Reading them exactly is slow, so only where there are any.
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) ? context?.source : value
  try {
    return new JsonObject(BIG_NUMBER.test(text) ? JSON.parse(text, exact) : JSON.parse(text), subject)
  } catch (cause) {
    throw invalid(subject, 'it is not JSON', cause)
  }
}

function parseNode(fields: JsonObject): TreeNode {
  const subject = fields.subject
  const type = fields.text('type')
  const { name, target } = parseNames(fields)
  if (!isNodeType(type)) throw invalid(subject, `node "${name}" has an unknown type`)
  const node: Mutable<TreeNode> = {
    name,
    type,
    mode: parseGoMode(fields.optionalCount('mode', 0xffffffff) ?? 0),
    mtimeNs: parseTime(fields.text('mtime'), subject),
    uid: fields.optionalCount('uid', 0xffffffff) ?? 0,
    gid: fields.optionalCount('gid', 0xffffffff) ?? 0,
  }
  if (target !== undefined) node.linkTarget = target
  parseTimes(fields, node)
  parseOwner(fields, node)
  parseNumbers(fields, node)
  parseData(fields, node)
  return node
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function parseNames(fields: JsonObject): { name: string; target: string | undefined } {
  const name = unquoteName(fields.text('name'), fields.subject)
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw invalid(fields.subject, 'a name is not a file name')
  }
  const raw = fields.optionalBytes('linktarget_raw', 64 * 1024)
  const target = raw === undefined ? fields.optionalText('linktarget') : decodeName(raw)
  return { name, target }
}

function parseTimes(fields: JsonObject, node: Mutable<TreeNode>): void {
  const known = (key: string): bigint | undefined => {
    const text = fields.optionalText(key)
    return text === undefined || text === ZERO_TIME ? undefined : parseTime(text, fields.subject)
  }
  const atime = known('atime')
  const ctime = known('ctime')
  if (atime !== undefined) node.atimeNs = atime
  if (ctime !== undefined) node.ctimeNs = ctime
}

function parseOwner(fields: JsonObject, node: Mutable<TreeNode>): void {
  const user = fields.optionalText('user')
  const group = fields.optionalText('group')
  if (user !== undefined) node.user = user
  if (group !== undefined) node.group = group
}

function parseNumbers(fields: JsonObject, node: Mutable<TreeNode>): void {
  const inode = uint64(fields, 'inode')
  const deviceId = uint64(fields, 'device_id')
  const device = uint64(fields, 'device')
  const size = fields.optionalCount('size')
  const links = fields.optionalCount('links')
  if (inode !== undefined) node.inode = inode
  if (deviceId !== undefined) node.deviceId = deviceId
  if (device !== undefined) node.device = device
  if (size !== undefined || node.type === 'file') node.sizeBytes = size ?? 0
  if (links !== undefined) node.links = links
}

function uint64(fields: JsonObject, key: string): bigint | undefined {
  const value = fields.raw(key)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^\d{16,20}$/.test(value)) return BigInt(value)
  throw invalid(fields.subject, `"${key}" is not a number`)
}

function parseData(fields: JsonObject, node: Mutable<TreeNode>): void {
  const subtree = fields.optionalId('subtree')
  if (subtree !== undefined) node.subtree = subtree
  if (node.type === 'dir' && subtree === undefined) throw invalid(fields.subject, `folder "${node.name}" has no tree`)
  if (node.type === 'file') node.content = parseContent(fields)
  const attributes = fields.list('extended_attributes')
  if (attributes.length > 0) node.extendedAttributes = attributes.map(value => parseAttribute(value, fields.subject))
}

function parseContent(fields: JsonObject): readonly Id[] {
  const ids = fields.list('content')
  if (!areIds(ids)) throw invalid(fields.subject, 'a content id is not an id')
  return ids
}

function parseAttribute(value: unknown, subject: string): ExtendedAttribute {
  const fields = new JsonObject(value, subject)
  return { name: fields.text('name'), value: fields.optionalBytes('value', MAX_ATTRIBUTE_BYTES) ?? Buffer.alloc(0) }
}

function isNodeType(type: string): type is NodeType {
  return TYPES.has(type)
}
