/** What a server answered is not the XML that it should be. */
export class XmlError extends Error {
  override readonly name = 'XmlError'
}

export interface XmlElement {
  /** Without a prefix. */
  readonly name: string
  /** Its own text, without that of its children. */
  readonly text: string
  readonly children: readonly XmlElement[]
}

const DEEPEST = 20
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const TOKEN =
  /<\?[^]*?\?>|<!--[^]*?-->|<!\[CDATA\[([^]*?)\]\]>|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y

interface Open {
  readonly name: string
  text: string
  readonly children: XmlElement[]
}

/**
 * The XML of answers and no more: elements and text. Attributes are passed over, references to anything but characters
 * and document types are refused. Takes time linear in the text.
 */
export function parseXml(text: string): XmlElement {
  const top: Open = { name: '', text: '', children: [] }
  const open: Open[] = [top]
  const source = text.replace(/^\ufeff/, '')
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source)
    if (!match) throw new XmlError('it is not well-formed')
    const [, data, closing, name = '', , empty, plain] = match
    const inside = open.at(-1) ?? top
    if (data !== undefined) inside.text += data
    else if (plain !== undefined) inside.text += decode(plain)
    else if (closing === '/') close(open, name)
    else if (closing === '') {
      if (open.length > DEEPEST) throw new XmlError('it is too deep')
      open.push({ name, text: '', children: [] })
      if (empty === '/') close(open, name)
    }
  }
  const [root, second] = top.children
  if (open.length > 1 || !root || second || top.text.trim() !== '') throw new XmlError('it is not one whole document')
  return root
}

function close(open: Open[], name: string): void {
  const closed = open.pop()
  const parent = open.at(-1)
  if (!closed || !parent || closed.name !== name) throw new XmlError('its elements do not match')
  parent.children.push({ ...closed, name: name.replace(/^.*:/, '') })
}

function decode(text: string): string {
  return text.replace(/&([^;&]{0,10};)?/g, (_all, reference: string | undefined) => {
    const name = reference?.slice(0, -1) ?? ''
    const code = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name)
    const point = code ? Number.parseInt(code[1] ?? code[2] ?? '', code[1] === undefined ? 10 : 16) : undefined
    const char = point === undefined ? NAMED[name] : point <= 0x10ffff ? String.fromCodePoint(point) : undefined
    if (char === undefined) throw new XmlError('it refers to something that is not in it')
    return char
  })
}

/** The text of the first child of that name; undefined where there is none. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find(child => child.name === name)?.text
}
