import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppError } from '../../src/base/errors.ts'
import { isAppError } from '../../src/base/errors.ts'
import { mergeJson, mergeOutput } from '../../src/outputs/merge.ts'
import { makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import type { MergeEngine, MergeFixture } from '../helpers/merge-engines.ts'
import { SHOP } from '../helpers/merge-shop.ts'

const BY_EMAIL = { tables: { users: { key: ['email'] } } }

/** What a merge promises, whatever the engine. */
export function describeMergeContract(engine: MergeEngine): void {
  describe(`merge contract: ${engine.kind}`, () => {
    let dir = ''
    let fixture: MergeFixture

    beforeEach(async () => {
      dir = await makeTempDir(`lb-merge-${engine.kind}-`)
    })
    afterEach(async () => {
      await fixture.close()
      await removeDir(dir)
    })

    const start = async (schema: string): Promise<void> => {
      fixture = await engine.make(dir, schema)
    }
    const rows = (sql: string) => fixture.rows(sql)
    const failure = async (work: Promise<unknown>): Promise<AppError> => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (!isAppError(error)) throw error ?? new Error('it did not fail')
      return error
    }

    it('changes nothing when the database is as it was', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      const before = await fixture.state()
      for (const rules of [{}, BY_EMAIL, { tables: { users: { onConflict: 'backup' as const } } }]) {
        const result = await fixture.merge(backup, rules)
        expect(result.changed).toBe(false)
        expect(result.tables.map(t => [t.table, t.matched, t.different, t.added, t.skipped])).toEqual([
          ['users', 3, 0, 0, 0],
          ['posts', 3, 0, 0, 0],
          ['likes', 3, 0, 0, 0],
        ])
        expect(await fixture.state()).toEqual(before)
      }
    })

    it('adds what is gone and keeps what is new', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      const before = await rows('SELECT * FROM posts ORDER BY id')
      await fixture.exec(`DELETE FROM likes; DELETE FROM posts WHERE id = 10;
        INSERT INTO posts VALUES (13, 2, 'new'); UPDATE posts SET title = 'changed' WHERE id = 11`)
      const result = await fixture.merge(backup)
      expect(result.tables.map(t => [t.table, t.added, t.matched, t.different])).toEqual([
        ['users', 0, 3, 0],
        ['posts', 1, 2, 1],
        ['likes', 3, 0, 0],
      ])
      expect(await rows('SELECT * FROM posts ORDER BY id')).toEqual([
        before[0],
        { ...before[1], title: 'changed' },
        before[2],
        { id: '13', user_id: '2', title: 'new' },
      ])
    })

    it('lets children follow parents that are known by another key', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      await fixture.exec(`DELETE FROM likes; DELETE FROM posts; DELETE FROM users;
        INSERT INTO users VALUES (5, 'ada@x', 'Ada L', 2), (2, 'zoe@x', 'Zoe', 2)`)
      const dry = await fixture.merge(backup, BY_EMAIL, { dryRun: true })
      expect((await rows('SELECT * FROM users')).length).toBe(2)
      const result = await fixture.merge(backup, BY_EMAIL)
      expect({ ...dry, dryRun: false, durationMs: 0 }).toEqual({ ...result, durationMs: 0 })
      expect(result.tables[0]).toMatchObject({ table: 'users', added: 2, matched: 1, remapped: 2, skipped: 0 })
      expect(await rows('SELECT id, email, name FROM users ORDER BY id')).toEqual([
        { id: '2', email: 'zoe@x', name: 'Zoe' },
        { id: '3', email: 'cyd@x', name: 'Cyd' },
        { id: '5', email: 'ada@x', name: 'Ada L' },
        { id: '6', email: 'bob@x', name: 'Bob' },
      ])
      expect(await rows('SELECT id, user_id FROM posts ORDER BY id')).toEqual([
        { id: '10', user_id: '5' },
        { id: '11', user_id: '6' },
        { id: '12', user_id: '3' },
      ])
      expect(await rows('SELECT user_id, post_id FROM likes ORDER BY 1')).toEqual([
        { user_id: '3', post_id: '12' },
        { user_id: '5', post_id: '11' },
        { user_id: '6', post_id: '10' },
      ])
      expect(() => mergeOutput.parse(mergeJson(result))).not.toThrow()
      const after = await fixture.state()
      expect((await fixture.merge(backup, BY_EMAIL)).changed).toBe(false)
      expect(await fixture.state()).toEqual(after)
      expect(await fixture.violations()).toBe(0)
    })

    it('takes the backup’s values where told to, or the newer ones', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      const change = `UPDATE users SET name = name || '!', updated = CASE id WHEN 1 THEN 0 WHEN 2 THEN 2 END`
      await fixture.exec(change)
      const newer = { tables: { users: { onConflict: 'newer' as const, newerBy: 'updated' } } }
      const result = await fixture.merge(backup, newer)
      expect(result.tables[0]).toMatchObject({ matched: 3, updated: 2, different: 1 })
      const names = async () => (await rows('SELECT name FROM users ORDER BY id')).map(row => row['name'])
      expect(await names()).toEqual(['Ada', 'Bob!', 'Cyd'])
      expect((await fixture.merge(backup, newer)).changed).toBe(false)
      await fixture.merge(backup, { tables: { users: { onConflict: 'backup' } } })
      expect(await names()).toEqual(['Ada', 'Bob', 'Cyd'])
    })

    it('moves unique values on where that is possible, and refuses swaps', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      // bob's and cyd's are swapped; ada's is free when the chain has moved on.
      await fixture.exec(`UPDATE users SET email = 't' || id;
        UPDATE users SET email = 'cyd@x' WHERE id = 2; UPDATE users SET email = 'bob@x' WHERE id = 3;
        INSERT INTO users VALUES (4, 'ada@x', 'Other', 1)`)
      const rules = { tables: { users: { onConflict: 'backup' as const } } }
      const result = await fixture.merge(backup, rules)
      expect(result.tables[0]).toMatchObject({ matched: 3, updated: 0, different: 3 })
      expect(result.tables[0]?.reasons).toMatchObject([{ why: 'kept-unique-value-taken', rows: 3 }])
      await fixture.exec(`DELETE FROM users WHERE id = 4; UPDATE users SET email = 'ada@x' WHERE id = 2;
        UPDATE users SET email = 'x' WHERE id = 1; UPDATE users SET email = 'bob@x' WHERE id = 3`)
      // 3 moves to cyd@x, then 2 to bob@x, then 1 to ada@x.
      expect((await fixture.merge(backup, rules)).tables[0]).toMatchObject({ updated: 3, different: 0 })
      expect((await fixture.merge(backup, rules)).changed).toBe(false)
    })

    it('leaves out rows whose unique values are taken, and what refers to them', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      await fixture.exec(`DELETE FROM likes; DELETE FROM posts; DELETE FROM users;
        INSERT INTO users VALUES (9, 'bob@x', 'Thief', 1)`)
      const result = await fixture.merge(backup)
      expect(result.tables.map(t => [t.table, t.added, t.skipped])).toEqual([
        ['users', 2, 1],
        ['posts', 2, 1],
        ['likes', 1, 2],
      ])
      expect(result.tables[0]?.reasons).toEqual([
        { why: 'unique-value-taken', rows: 1, examples: ['id=2, email=bob@x'] },
      ])
      expect(result.tables[1]?.reasons).toEqual([{ why: 'parent-skipped', rows: 1, examples: ['id=11, user_id=2'] }])
      expect((await fixture.merge(backup)).changed).toBe(false)
    })

    it('merges trees, circles and keys that hold references', async () => {
      await start(`
        CREATE TABLE folder (id integer PRIMARY KEY, parent_id integer REFERENCES folder (id), name text NOT NULL,
          UNIQUE (parent_id, name));
        INSERT INTO folder VALUES (1, NULL, 'root'), (2, 1, 'etc'), (3, 1, 'usr'), (4, 3, 'lib'), (5, 4, 'deep');
        CREATE TABLE team (id integer PRIMARY KEY, name text NOT NULL UNIQUE, lead_id integer NOT NULL);
        CREATE TABLE member (id integer PRIMARY KEY, name text NOT NULL UNIQUE, team_id integer NOT NULL REFERENCES team (id));
        ${engine.kind === 'postgres' ? 'ALTER TABLE team ADD FOREIGN KEY (lead_id) REFERENCES member (id) DEFERRABLE; BEGIN; SET CONSTRAINTS ALL DEFERRED;' : ''}
        INSERT INTO team VALUES (1, 'red', 1), (2, 'blue', 3);
        INSERT INTO member VALUES (1, 'ann', 1), (2, 'ben', 1), (3, 'cat', 2);
        ${engine.kind === 'postgres' ? 'COMMIT; ALTER TABLE team ALTER CONSTRAINT team_lead_id_fkey NOT DEFERRABLE' : ''}`)
      const backup = await fixture.backup()
      const delay =
        engine.kind === 'postgres'
          ? 'ALTER TABLE team ALTER CONSTRAINT team_lead_id_fkey DEFERRABLE; BEGIN; SET CONSTRAINTS ALL DEFERRED;'
          : 'BEGIN;'
      const done =
        engine.kind === 'postgres'
          ? 'COMMIT; ALTER TABLE team ALTER CONSTRAINT team_lead_id_fkey NOT DEFERRABLE'
          : 'COMMIT'
      await fixture.exec(`${delay} DELETE FROM member; DELETE FROM team; DELETE FROM folder;
        INSERT INTO folder VALUES (7, NULL, 'root'), (3, 7, 'usr'), (4, 7, 'var');
        INSERT INTO team VALUES (2, 'red', 1); INSERT INTO member VALUES (1, 'zed', 2); ${done}`)
      const rules = {
        tables: { folder: { key: ['parent_id', 'name'] }, team: { key: ['name'] }, member: { key: ['name'] } },
        references: engine.kind === 'sqlite' ? { 'team.lead_id': 'member.id' } : {},
      }
      const result = await fixture.merge(backup, rules)
      expect(result.tables.find(t => t.table === 'folder')).toMatchObject({ added: 3, matched: 2, remapped: 2 })
      expect(
        await rows(
          `SELECT f.name, p.name AS parent FROM folder f LEFT JOIN folder p ON p.id = f.parent_id ORDER BY f.name`,
        ),
      ).toEqual([
        { name: 'deep', parent: 'lib' },
        { name: 'etc', parent: 'root' },
        { name: 'lib', parent: 'usr' },
        { name: 'root', parent: null },
        { name: 'usr', parent: 'root' },
        { name: 'var', parent: 'root' },
      ])
      expect(
        await rows(`SELECT m.name, t.name AS team, l.name AS lead FROM member m JOIN team t ON t.id = m.team_id
          JOIN member l ON l.id = t.lead_id ORDER BY m.name`),
      ).toEqual([
        { name: 'ann', team: 'red', lead: 'zed' },
        { name: 'ben', team: 'red', lead: 'zed' },
        { name: 'cat', team: 'blue', lead: 'cat' },
        { name: 'zed', team: 'red', lead: 'zed' },
      ])
      const after = await fixture.state()
      expect((await fixture.merge(backup, rules)).changed).toBe(false)
      expect(await fixture.state()).toEqual(after)
      expect(await fixture.violations()).toBe(0)
    })

    it('follows relations that only the rules know, and skips rows whose parents are nowhere', async () => {
      await start(`CREATE TABLE owner (id integer PRIMARY KEY, email text NOT NULL UNIQUE);
        CREATE TABLE account (id integer PRIMARY KEY, owner_id integer, v text);
        INSERT INTO owner VALUES (1, 'a'), (2, 'b'); INSERT INTO account VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 77, 'lost')`)
      const backup = await fixture.backup()
      await fixture.exec(`DELETE FROM account; DELETE FROM owner; INSERT INTO owner VALUES (77, 'b')`)
      const rules = { tables: { owner: { key: ['email'] } }, references: { 'account.owner_id': 'owner.id' } }
      const result = await fixture.merge(backup, rules)
      expect(await rows('SELECT * FROM account ORDER BY id')).toEqual([
        { id: '1', owner_id: '1', v: 'x' },
        { id: '2', owner_id: '77', v: 'y' },
      ])
      // 77 is somebody else here: the backup's account must not become theirs.
      expect(result.tables[1]?.reasons).toEqual([{ why: 'parent-nowhere', rows: 1, examples: ['id=3, owner_id=77'] }])
      expect((await fixture.merge(backup, rules)).changed).toBe(false)
    })

    it('goes by what both sides have, and says what only one has', async () => {
      await start(`CREATE TABLE t (id integer PRIMARY KEY, a text, gone text);
        CREATE TABLE old (id integer PRIMARY KEY); INSERT INTO t VALUES (1, 'a', 'g'); INSERT INTO old VALUES (1), (2)`)
      const backup = await fixture.backup()
      await fixture.exec(`DROP TABLE old; DROP TABLE t; CREATE TABLE fresh (id integer PRIMARY KEY);
        CREATE TABLE t (id integer PRIMARY KEY, a varchar(9), added text NOT NULL DEFAULT 'new')`)
      const result = await fixture.merge(backup)
      expect(await rows('SELECT * FROM t')).toEqual([{ id: '1', a: 'a', added: 'new' }])
      expect(result.left).toEqual([
        { table: 'fresh', why: 'only-in-target', rows: undefined },
        { table: 'old', why: 'only-in-backup', rows: 2 },
      ])
      expect(result.differences.map(d => [d.column, d.kind])).toEqual([
        ['a', 'type'],
        ['added', 'only-in-target'],
        ['gone', 'only-in-backup'],
      ])
      await fixture.exec(`DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, must text NOT NULL)`)
      const error = await failure(fixture.merge(backup))
      expect(error.code).toBe('target-invalid')
      expect(error.message).toMatch(/the backup has no must, which must not be null/)
    })

    it('fires no triggers unless asked to, and leaves them as they were', async () => {
      const trigger =
        engine.kind === 'sqlite'
          ? `CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log (what) VALUES ("it's " || new.v); END`
          : `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO log (what) VALUES (new.v); RETURN new; END';
             CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
             CREATE TRIGGER always AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
             ALTER TABLE t ENABLE ALWAYS TRIGGER always; CREATE TRIGGER off AFTER INSERT ON t FOR EACH ROW
             EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER off`
      await start(`CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE TABLE log (what text);
        INSERT INTO t VALUES (1, 'one'); ${trigger}`)
      const before = await fixture.state()
      const backup = await fixture.backup()
      const rules = { tables: { log: { skip: true } } }
      await fixture.exec('DELETE FROM t')
      await fixture.merge(backup, rules)
      expect(await fixture.state()).toEqual(before)
      await fixture.exec('DELETE FROM t')
      await fixture.merge(backup, { ...rules, triggers: true })
      expect((await rows('SELECT * FROM log')).length).toBe(engine.kind === 'sqlite' ? 1 : 2)
    })
  })
}
