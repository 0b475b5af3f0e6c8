import { expect, test } from 'vitest'
import { decodeName } from '../../base/bytes.ts'
import type { NodeMeta, TreeNode } from '../../model/node.ts'
import { formatTree, parseTree } from './tree.ts'

const meta: NodeMeta = { type: 'file', mode: 0o644, mtimeNs: 1417884623345135380n, uid: 1000, gid: 100 }
const id = 'ab'.repeat(32)

test('a file is written as restic writes it', () => {
  const text = formatTree([
    { ...meta, name: 'a<b', user: 'x', inode: 5n, links: 1, sizeBytes: 7, content: [id] },
  ]).toString()
  expect(text).toBe(
    `{"nodes":[{"name":"a\\u003cb","type":"file","mode":420,"mtime":"2014-12-06T16:50:23.34513538Z",` +
      `"atime":"2014-12-06T16:50:23.34513538Z","ctime":"0001-01-01T00:00:00Z","uid":1000,"gid":100,"user":"x",` +
      `"inode":5,"size":7,"links":1,"content":["${id}"]}]}\n`,
  )
})

test("modes are Go's", () => {
  const mode = (node: Partial<TreeNode>): unknown =>
    JSON.parse(formatTree([{ ...meta, name: 'x', ...node }]).toString()).nodes[0].mode
  expect(mode({ type: 'dir', mode: 0o1755, subtree: id })).toBe(0x80000000 + (1 << 20) + 0o755)
  expect(mode({ type: 'symlink', mode: 0o777 })).toBe((1 << 27) + 0o777)
  expect(mode({ type: 'chardev', mode: 0o600 })).toBe((1 << 26) + (1 << 21) + 0o600)
  expect(mode({ mode: 0o6755 })).toBe((1 << 23) + (1 << 22) + 0o755)
})

test('everything a node can hold survives, also 64-bit numbers and bytes that are not UTF-8', () => {
  const odd = decodeName(Buffer.from([0x66, 0xff]))
  const nodes: TreeNode[] = [
    { ...meta, name: 'dev', type: 'dev', atimeNs: 5n, ctimeNs: 6n, device: 2n ** 63n, links: 1 },
    { ...meta, name: 'dir', type: 'dir', mode: 0o2775, atimeNs: 5n, subtree: id, user: 'ü', group: 'g' },
    { ...meta, name: odd, atimeNs: 5n, sizeBytes: 0, content: [], inode: 2n ** 64n - 1n, deviceId: 9n, links: 2 },
    { ...meta, name: 'link', type: 'symlink', atimeNs: 5n, linkTarget: odd },
    {
      ...meta,
      name: 'xattr',
      atimeNs: 5n,
      sizeBytes: 3,
      content: [id],
      extendedAttributes: [{ name: 'user.a', value: Buffer.from([0, 255]) }],
    },
  ]
  expect(parseTree(formatTree([...nodes].reverse()), 'x')).toEqual(nodes)
})

test('a symlink target that is not UTF-8 is kept raw too', () => {
  const linkTarget = decodeName(Buffer.from([0x61, 0xfe]))
  const text = formatTree([{ ...meta, name: 'l', type: 'symlink', linkTarget }]).toString()
  expect(text).toContain('"linktarget":"a\\ufffd","linktarget_raw":"Yf4="')
})

const node = (fields: object): string =>
  JSON.stringify({ nodes: [{ name: 'a', type: 'file', mtime: '2014-12-06T17:50:23Z', ...fields }] })

test.each([
  ['not JSON', '{"nodes":['],
  ['no object', '[]'],
  ['nodes no list', '{"nodes":5}'],
  ['name leaves the folder', node({ name: '..' })],
  ['name with a slash', node({ name: 'a/b' })],
  ['escaped slash', node({ name: '\\x2fa' })],
  ['empty name', node({ name: '' })],
  ['zero byte', node({ name: 'a\\x00' })],
  ['unknown type', node({ type: 'door' })],
  ['wrong id', node({ content: ['ab'] })],
  ['id in capitals', node({ content: ['AB'.repeat(32)] })],
  ['id of no digits', node({ content: ['xy'.repeat(32)] })],
  ['id no string', node({ content: [7] })],
  ['dir without tree', node({ type: 'dir' })],
  ['negative size', node({ size: -1 })],
  ['big size', node({ size: 2 ** 60 })],
  ['no time', node({ mtime: undefined })],
  ['twice', JSON.stringify({ nodes: Array(2).fill(JSON.parse(node({})).nodes[0]) })],
])('refuses hostile trees: %s', (_name, text) => {
  expect(() => parseTree(Buffer.from(text), 'tree 12345678')).toThrow('tree 12345678 is damaged')
})

test('100 000 blob ids are written and read in a moment', () => {
  const content = Array.from({ length: 100_000 }, (_, i) => i.toString(16).padStart(64, '0'))
  const [back] = parseTree(formatTree([{ ...meta, name: 'db', sizeBytes: 1, content }]), 'x')
  expect(back?.content).toEqual(content)
})
