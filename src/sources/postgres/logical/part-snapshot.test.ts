import { describe, expect, it } from 'vitest'
import type { ManifestServerDatabase } from '../../../model/manifest.ts'
import { missingLargeObjects } from './part-snapshot.ts'
import type { TocEntry } from './toc.ts'

const entry = (kind: string): TocEntry => ({
  id: 1,
  kind,
  schema: undefined,
  tag: '16400',
  dependsOn: [],
  owner: 'me',
  tablespace: undefined,
})
const column = (name: string, type: string): { readonly name: string; readonly type: string } => ({ name, type })
const database: Pick<ManifestServerDatabase, 'tables'> = {
  tables: [
    { name: 'public.file', rows: 1, columns: [column('id', 'integer'), column('body', 'oid')] },
    { name: 'public.image', rows: 1, columns: [column('raster', 'public.lo')] },
    { name: 'public.item', rows: 1, columns: [column('name', 'text')] },
  ],
}
const ALL = ['file', 'image', 'item'].map(name => ({ schema: 'public', name }))

describe('large objects that do not come with rows', () => {
  it.each(['BLOB', 'BLOB METADATA', 'BLOBS'])('are told by the columns that refer to them (%s)', kind => {
    const [found] = missingLargeObjects([entry(kind)], ALL, database)
    expect(found).toMatchObject({
      code: 'large-objects-not-restored',
      subject: 'public.file.body, public.image.raster',
    })
  })

  it('are none where the snapshot has none, or nothing refers to them', () => {
    expect(missingLargeObjects([entry('TABLE')], ALL, database)).toEqual([])
    expect(missingLargeObjects([entry('BLOBS')], ALL.slice(2), database)).toEqual([])
  })
})
