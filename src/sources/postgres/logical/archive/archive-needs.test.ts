import { describe, expect, it } from 'vitest'
import { missingTablespaces, type ServerRights, unmetNeeds } from './archive-needs.ts'
import type { TocEntry } from './toc.ts'

let id = 0
function entry(kind: string, tag: string, more: Partial<TocEntry> = {}): TocEntry {
  return { id: ++id, kind, schema: 'public', tag, owner: 'app', tablespace: undefined, dependsOn: [], ...more }
}

const rights: ServerRights = {
  superuser: false,
  extensions: new Set(['pg_trgm']),
  roles: new Set(['app', 'reader']),
  tablespaces: new Set(['pg_default']),
  subscriptions: false,
}
const superuser = { ...rights, superuser: true }
const ONLY = 'only a superuser may create it'

describe('what an archive needs of the role that restores it', () => {
  it.each([
    [entry('TABLE', 'post'), undefined],
    [entry('EXTENSION', 'pg_trgm'), undefined],
    [entry('EXTENSION', 'pg_stat_statements'), ONLY],
    [entry('EVENT TRIGGER', 'audit'), ONLY],
    [entry('FOREIGN DATA WRAPPER', 'far'), ONLY],
    [entry('OPERATOR CLASS', 'o'), ONLY],
    [entry('PROCEDURAL LANGUAGE', 'l'), ONLY],
    [entry('PUBLICATION', 'p', { definition: 'CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 1);' }), ONLY],
    [entry('PUBLICATION', 'p', { definition: 'CREATE PUBLICATION p WITH (publish = 1);' }), undefined],
    [entry('PUBLICATION TABLES IN SCHEMA', 'p'), ONLY],
    [entry('SUBSCRIPTION', 's'), ONLY],
    [entry('CAST', 'c', { definition: 'CREATE CAST (a AS b) WITHOUT FUNCTION;' }), ONLY],
    [entry('CAST', 'c', { definition: 'CREATE CAST (a AS b) WITH FUNCTION f(a);' }), undefined],
    [entry('FUNCTION', 'f', { language: 'c' }), `${ONLY} in the language c`],
    [entry('FUNCTION', 'f', { language: 'plpython3u' }), `${ONLY} in the language plpython3u`],
    [entry('FUNCTION', 'f', { language: 'plpgsql' }), undefined],
    [entry('PROCEDURE', 'f', { language: 'sql' }), undefined],
    [
      entry('POLICY', 'p', { definition: 'CREATE POLICY p ON public.t FOR SELECT TO gone USING (true);' }),
      'it is for gone, which the server lacks',
    ],
    [entry('POLICY', 'p', { definition: 'CREATE POLICY p ON public.t USING (true);' }), undefined],
    [entry('POLICY', 'p', { definition: 'CREATE POLICY p ON public.t TO reader USING (true);' }), undefined],
  ])('%j', (one, why) => {
    expect(unmetNeeds([one], rights).map(need => need.why)).toEqual(why === undefined ? [] : [why])
    if (one.kind !== 'POLICY') expect(unmetNeeds([one], superuser)).toEqual([])
  })

  it('names the tables that do not come back without it', () => {
    const extension = entry('EXTENSION', 'postgis')
    const type = entry('DOMAIN', 'place', { dependsOn: [extension.id] })
    const table = entry('TABLE', 'shop', { dependsOn: [type.id] })
    const index = entry('INDEX', 'shop_place', { dependsOn: [table.id] })
    const needs = unmetNeeds([extension, type, table, index, entry('TABLE', 'other')], rights)
    expect(needs.map(need => need.tables)).toEqual([[table]])
  })

  it('tells a policy that does without some of its roles', () => {
    const definition = 'CREATE POLICY p ON public.t TO reader, "Gone, too" USING (true);'
    expect(unmetNeeds([entry('POLICY', 'p', { definition })], superuser)).toMatchObject([{ without: ['Gone, too'] }])
  })

  it('knows tablespaces that the server lacks', () => {
    const toc = [entry('TABLE', 'a', { tablespace: 'fast' }), entry('INDEX', 'b', { tablespace: 'pg_default' })]
    expect(missingTablespaces(toc, rights.tablespaces)).toEqual(['fast'])
  })
})
