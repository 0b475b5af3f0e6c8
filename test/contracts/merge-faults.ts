import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppError, isAppError } from '../../src/base/errors.ts'
import { makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import type { MergeEngine, MergeFixture } from '../helpers/merge-engines.ts'
import { SHOP } from '../helpers/merge-shop.ts'

/** What happens, whatever the engine, when a merge can't be done as it was asked for: nothing. */
export function describeMergeFaults(engine: MergeEngine): void {
  describe(`faults of merges: ${engine.kind}`, () => {
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

    it('does not take keys for granted', async () => {
      await start(`CREATE TABLE t (id integer PRIMARY KEY, name text, n integer);
        INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'b', NULL), (4, NULL, NULL), (5, NULL, 5)`)
      const before = await fixture.state()
      const backup = await fixture.backup()
      const double = await failure(fixture.merge(backup, { tables: { t: { key: ['name'] } } }))
      expect(double.code).toBe('target-invalid')
      expect(double.message).toMatch(
        /name is not unique in the backup: name=(NULL|b) \(2 rows\); name=(NULL|b) \(2 rows\)/,
      )
      expect(double.hint).toMatch(/restore.merge.tables.t /)
      await fixture.exec(`UPDATE t SET name = 'x' WHERE id IN (1, 2)`)
      const clean = await fixture.backup()
      await fixture.exec('UPDATE t SET n = id')
      expect((await failure(fixture.merge(clean, { tables: { t: { key: ['name'] } } }))).message).toMatch(/not unique/)
      await fixture.exec(`UPDATE t SET name = CASE id WHEN 1 THEN 'a' WHEN 2 THEN 'b' WHEN 3 THEN 'b' END, n = NULL;
        UPDATE t SET n = id WHERE id IN (1, 2, 5)`)
      expect(await fixture.state()).toEqual(before)
      // NULL is a value in a key of several columns.
      expect((await fixture.merge(backup, { tables: { t: { key: ['name', 'n'] } } })).changed).toBe(false)
    })

    it('refuses rules that can’t be meant before anything is touched', async () => {
      await start(`${SHOP}; CREATE TABLE loose (a text, b text); INSERT INTO loose VALUES ('a', 'b')`)
      const backup = await fixture.backup()
      const before = await fixture.state()
      const cases: Array<[Parameters<MergeFixture['merge']>[1], RegExp, RegExp]> = [
        [{}, /cannot merge table loose: nothing says which rows are the same/, /"loose: \{ skip: true \}"/],
        [{ tables: { user: {} } }, /no table user/, /Did you mean users/],
        [{ tables: { users: { key: ['emial'] } } }, /no column emial/, /Did you mean email/],
        [{ tables: { users: { onConflict: 'newer' } } }, /does not say by which column/, /newerBy/],
        [{ tables: { users: { onConflict: 'newer', newerBy: 'never' } } }, /no column never/, /./],
        [{ references: { 'posts.author': 'users.id' } }, /table posts has no column author/, /./],
        [{ references: { posts: 'users.id' } }, /posts is no column of a table/, /account.user_id/],
      ]
      for (const [rules, message, hint] of cases) {
        const error = await failure(
          fixture.merge(backup, rules, { beforeChange: () => Promise.reject(new Error('no')) }),
        )
        expect(error.code).toBe('config-invalid')
        expect(error.message).toMatch(message)
        expect(error.hint).toMatch(hint)
      }
      expect(await fixture.state()).toEqual(before)
    })

    it('is all or nothing', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      await fixture.exec(`DELETE FROM likes; DELETE FROM posts; DELETE FROM users;
        DROP TABLE likes; CREATE TABLE likes (user_id integer, post_id integer, stars integer CHECK (stars < 5),
        PRIMARY KEY (user_id, post_id))`)
      const before = await fixture.state()
      const error = await failure(fixture.merge(backup))
      expect(error.code).toBe('target-invalid')
      expect(error.message).toMatch(/cannot add rows to table likes: .*check constraint/i)
      expect(await fixture.state()).toEqual(before)
      const stop = new AbortController()
      const interrupted = await failure(
        fixture.merge(
          backup,
          {},
          {
            signal: stop.signal,
            onProgress: ({ phase, table }) => phase === 'merging' && table === 'likes' && stop.abort(),
          },
        ),
      )
      expect(interrupted.code).toBe('interrupted')
      expect(await fixture.state()).toEqual(before)
    })

    it('calls beforeChange once, and lets it end the merge', async () => {
      await start(SHOP)
      const backup = await fixture.backup()
      await fixture.exec('DELETE FROM likes')
      const before = await fixture.state()
      const calls: unknown[] = []
      await fixture.merge(backup, {}, { dryRun: true, beforeChange: () => Promise.resolve(void calls.push(1)) })
      expect(calls).toEqual([])
      const error = await fixture
        .merge(backup, {}, { beforeChange: () => Promise.reject(new Error('hook')) })
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ message: 'hook' })
      expect(await fixture.state()).toEqual(before)
      await fixture.merge(
        backup,
        {},
        {
          beforeChange: async () => {
            calls.push(await fixture.state())
          },
        },
      )
      expect(calls).toEqual([before])
      expect((await rows('SELECT * FROM likes')).length).toBe(3)
    })
  })
}
