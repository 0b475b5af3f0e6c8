import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseXml, textOf, XmlError } from './xml.ts'

test('reads elements and text, whatever else is in between', () => {
  const root = parseXml(`\ufeff<?xml version="1.0" encoding="UTF-8"?>
    <!-- a < comment -->
    <s3:Error xmlns:s3="http://x/" a='1'><Code>Slow&amp;Down</Code><Empty/><Message><![CDATA[<b>&amp;]]>&#233;&#x1F600;&lt;</Message></s3:Error>\n`)
  expect(root.name).toBe('Error')
  expect(root.children.map(({ name, text }) => [name, text])).toEqual([
    ['Code', 'Slow&Down'],
    ['Empty', ''],
    ['Message', '<b>&amp;é😀<'],
  ])
  expect(textOf(root, 'Code')).toBe('Slow&Down')
  expect(textOf(root, 'None')).toBeUndefined()
})

test.each([
  ['nothing', ''],
  ['text alone', 'not xml'],
  ['HTML', '<!DOCTYPE html><html></html>'],
  ['a document type with entities', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
  ['an entity that is not one of the five', '<a>&nbsp;</a>'],
  ['a lonely ampersand', '<a>a & b</a>'],
  ['a character that does not exist', '<a>&#x110000;</a>'],
  ['an end that is missing', '<a><b></b>'],
  ['ends in the wrong order', '<a><b></a></b>'],
  ['an end without a start', '<a></a></b>'],
  ['two documents', '<a></a><b></b>'],
  ['text after it', '<a></a>x'],
  ['a tag that is cut', '<a><b'],
  ['a depth that nobody needs', '<a>'.repeat(1000) + '</a>'.repeat(1000)],
])('refuses %s', (_what, text) => {
  expect(() => parseXml(text)).toThrow(XmlError)
})

test('any text comes out of an element as it went in', () => {
  const escape = (text: string): string => text.replace(/[&<>]/g, char => `&#${char.charCodeAt(0)};`)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      expect(parseXml(`<a><b>${escape(text)}</b></a>`).children[0]?.text).toBe(text)
    }),
  )
})

test('takes nothing but XmlError out of any text, and no long time', () => {
  const piece = fc.constantFrom(
    '<a>',
    '</a>',
    '<',
    '>',
    '&',
    ';',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    ' x="',
    '"',
    'a',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), pieces => {
      try {
        parseXml(pieces.join(''))
      } catch (error) {
        expect(error).toBeInstanceOf(XmlError)
      }
    }),
  )
  expect(() => parseXml('<a '.repeat(300_000))).toThrow(XmlError)
  expect(() => parseXml(`<a>${'<!--'.repeat(200_000)}</a>`)).toThrow(XmlError)
  expect(() => parseXml(`<a${' x="1"'.repeat(200_000)}`)).toThrow(XmlError)
})
