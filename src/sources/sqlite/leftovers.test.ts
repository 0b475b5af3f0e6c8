import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { findLeftovers } from './leftovers.ts'

it('names what restores left beside a database, and nothing else', async () => {
  const dir = makeTempDir()
  const left = [
    'app.db.before-1a2b3c4d.lifeboat-copy',
    'app.db.lifeboat-failed',
    'app.db.lifeboat-partial',
    'app.db-wal.lifeboat-old',
  ]
  const others = [
    'app.db',
    'app.db-wal',
    'app.db.before-1a2b3c4d',
    'app.db.lifeboat-partial-wal',
    'other.db.lifeboat-partial',
  ]
  for (const name of [...left, ...others]) writeFileSync(join(dir, name), 'x')
  const found = await findLeftovers(join(dir, 'app.db'))
  expect(found.map(({ subject }) => basename(subject))).toEqual(left.toSorted())
  expect(await findLeftovers(join(dir, 'gone', 'app.db'))).toEqual([])
})
