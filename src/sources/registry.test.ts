import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { findSourceDefinition, SOURCES } from './registry.ts'

describe('registry of sources', () => {
  it('lists every adapter folder, each once', () => {
    const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter(entry => entry.isDirectory())
    expect(SOURCES.map(definition => definition.kind).sort()).toEqual(folders.map(folder => folder.name).sort())
  })

  it('describes every option', () => {
    for (const definition of SOURCES) {
      expect(definition.summary).not.toBe('')
      if (!(definition.options instanceof z.ZodObject)) throw new Error(`${definition.kind}: options are no object`)
      for (const [key, field] of Object.entries<z.ZodType>(definition.options.shape)) {
        expect(field.description, `${definition.kind}.${key}`).toBeTruthy()
      }
    }
  })

  it('makes a source of each kind', async () => {
    for (const definition of SOURCES) {
      const make = await definition.load()
      const options = definition.options.parse({ path: './x' })
      const source = make('one', options, { baseDir: join(import.meta.dirname, 'nowhere') })
      expect([source.name, source.kind]).toEqual(['one', definition.kind])
      await source.close()
    }
  })

  it('finds by kind', () => {
    expect(findSourceDefinition('sqlite')?.kind).toBe('sqlite')
    expect(findSourceDefinition('abacus')).toBeUndefined()
  })
})
