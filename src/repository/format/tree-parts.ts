import type { TreeNode } from '../../model/node.ts'
import { invalid } from './json.ts'
import { areInOrder, parseNodes, TREE_END, TREE_START } from './tree.ts'

const START = Buffer.from(TREE_START)
const END = Buffer.from(TREE_END)

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACE = 0x7d
const CLOSE_BRACKET = 0x5d

/**
 * The nodes of a tree whose plaintext comes in parts, some at a time; they have to be laid out as we and restic write them.
 * `damaged` where they are not, which does not say that `parseTree` would not understand them. A part may be used again
 * once the next is asked for.
 */
export function* parseTreeParts(parts: Iterable<Uint8Array>, subject: string): Generator<TreeNode[]> {
  let last: string | undefined
  for (const text of cutBetweenNodes(parts, subject)) {
    const nodes = parseNodes(text, subject)
    // JSON has no comma without something on both sides.
    if (nodes.length === 0) throw invalid(subject, 'a node is missing')
    if (!areInOrder(nodes, last)) throw invalid(subject, 'its names are in no order')
    last = nodes.at(-1)?.name
    yield nodes
  }
}

/** Each of the texts is a tree by itself. */
function* cutBetweenNodes(parts: Iterable<Uint8Array>, subject: string): Generator<Buffer> {
  const scan = new Scan()
  let held: Buffer[] = []
  let heldBytes = 0
  let isFirst = true
  for (const part of parts) {
    const comma = scan.lastComma(part)
    if (comma < 0) {
      held.push(Buffer.from(part))
      heldBytes += part.length
      continue
    }
    const text = Buffer.concat([...(isFirst ? [] : [START]), ...held, part.subarray(0, comma), END])
    if (isFirst && !startsRight(text)) throw invalid(subject, 'it does not begin as a tree')
    isFirst = false
    yield text
    held = [Buffer.from(part.subarray(comma + 1))]
    heldBytes = part.length - comma - 1
  }
  const rest = Buffer.concat([...(isFirst ? [] : [START]), ...held], heldBytes + (isFirst ? 0 : START.length))
  const endsRight = scan.endBytes === END.length && rest.subarray(-END.length).equals(END)
  if (!startsRight(rest) || !endsRight) throw invalid(subject, 'it does not end as a tree')
  yield rest
}

function startsRight(text: Buffer): boolean {
  return text.subarray(0, START.length).equals(START)
}

/** Finds the commas between nodes: outside of texts, within the tree's object and its list and nothing else. */
class Scan {
  #depth = 0
  #inText = false
  #isEscaped = false
  /** From the end of the list of nodes on. */
  endBytes = 0

  /** Of this part, which follows the one before; -1 where there is none. */
  lastComma(part: Uint8Array): number {
    let found = -1
    if (this.endBytes > 0) this.endBytes += part.length
    for (let at = 0; at < part.length; at++) {
      const byte = part[at] ?? 0
      if (this.#inText) this.#passText(byte)
      else if (byte === QUOTE) this.#inText = true
      else if (byte === COMMA && this.#depth === 2 && this.endBytes === 0) found = at
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (--this.#depth === 1 && this.endBytes === 0) this.endBytes = part.length - at
      }
    }
    return found
  }

  #passText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === BACKSLASH) this.#isEscaped = true
    else if (byte === QUOTE) this.#inText = false
  }
}
