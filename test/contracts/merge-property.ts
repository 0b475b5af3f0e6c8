import fc from 'fast-check'
import { expect } from 'vitest'
import type { MergeResult } from '../../src/operations/merge/merge.ts'
import { makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import type { MergeEngine, MergeFixture } from '../helpers/merge-engines.ts'
import { modelMerge } from '../helpers/merge-model.ts'
import type { ModelRow } from '../helpers/merge-model-tables.ts'
import {
  foreignKeysSql,
  insertSql,
  tablesSql,
  tablesWithForeignKeysSql,
  type World,
  worlds,
} from '../helpers/merge-worlds.ts'

const PARTS = 8

/** Random schemas and data: the result is the model's, the second merge changes nothing, a dry run says the same. */
export async function checkMergeProperties(engine: MergeEngine, lost: boolean, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(worlds(lost, PARTS), world => checkWorld(engine, world)),
    { numRuns: runs, endOnFailure: true },
  )
}

async function checkWorld(engine: MergeEngine, world: World): Promise<void> {
  const dir = await makeTempDir('lb-merge-world-')
  const fixture = await engine.make(dir, schemaOf(engine, world))
  try {
    await fill(engine, fixture, world, world.backup)
    const backup = await fixture.backup()
    const tables = Object.fromEntries(
      world.tables.map(({ name, key, onConflict, newerBy }) => [name, { key, onConflict, newerBy }]),
    )
    const unchanged = await fixture.merge(backup, { tables })
    expect(unchanged.changed, 'into its own unchanged database').toBe(false)
    await fill(engine, fixture, world, world.target)
    const before = await fixture.violations()
    const state = await fixture.state()
    const expected = modelMerge(world.tables, world.target, world.backup)
    const dry = await fixture.merge(backup, { tables }, { dryRun: true })
    expect(await fixture.state(), 'after the dry run').toEqual(state)
    const result = await fixture.merge(backup, { tables })
    expect(comparable(dry)).toEqual(comparable(result))
    expect(await read(fixture, world)).toEqual(sorted(expected.data))
    expect(countsOf(result)).toEqual(expected.counts)
    expect(await fixture.violations(), 'references that lead nowhere').toBeLessThanOrEqual(before)
    const after = await fixture.state()
    const again = await fixture.merge(backup, { tables })
    expect(await fixture.state(), 'after the second merge').toEqual(after)
    expect(again.tables.reduce((sum, table) => sum + table.added, 0)).toBe(0)
  } finally {
    await fixture.close()
    await removeDir(dir)
  }
}

function schemaOf(engine: MergeEngine, { tables }: World): string {
  if (engine.kind === 'sqlite') return tablesWithForeignKeysSql(tables)
  return [tablesSql(tables), ...foreignKeysSql(tables)].join(';\n')
}

/** Rows may refer to one another in circles, so the server is told not to look while they come. */
async function fill(engine: MergeEngine, fixture: MergeFixture, world: World, data: World['backup']): Promise<void> {
  const wipe = world.tables.map(table => `DELETE FROM ${table.name};`).join(' ')
  const quiet = engine.kind === 'postgres' ? 'SET session_replication_role = replica;' : ''
  await fixture.exec(`${quiet} ${wipe} ${insertSql(world.tables, data)}`)
}

function comparable(result: MergeResult): unknown {
  return { ...result, dryRun: false, durationMs: 0 }
}

function countsOf(result: MergeResult): unknown {
  return Object.fromEntries(
    result.tables.map(({ table, added, matched, updated, skipped }) => [table, { added, matched, updated, skipped }]),
  )
}

async function read(fixture: MergeFixture, world: World): Promise<unknown> {
  const data: Record<string, ModelRow[]> = {}
  for (const table of world.tables) {
    data[table.name] = (await fixture.rows(`SELECT ${table.columns.join(', ')} FROM ${table.name}`)) as ModelRow[]
  }
  return sorted(data)
}

function sorted(data: Readonly<Record<string, readonly ModelRow[]>>): unknown {
  return Object.fromEntries(
    Object.entries(data).map(([name, rows]) => [
      name,
      rows
        .map(row =>
          JSON.stringify(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, v === null ? null : String(v)]))),
        )
        .toSorted(),
    ]),
  )
}
