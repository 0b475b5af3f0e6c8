import { beforeEach, describe, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { createLogger, silentLogger } from '../../base/logger.ts'
import type { Source } from '../../sources/source.ts'
import { type GuardRequest, guard } from './guard.ts'
import { type JournalEntry, RestoreJournal } from './journal.ts'

let journal: RestoreJournal
let runs = 0

beforeEach(() => {
  journal = new RestoreJournal(makeTempDir(), systemClock)
})

/** A target that is kept beside and whose swap never comes. */
const source = {
  traits: { wayBack: 'kept', changes: ['swap'] },
  targets: { settle: () => Promise.resolve({ state: 'untouched', kept: [] }) },
} as unknown as Source

function request(target = '/srv/docs'): GuardRequest {
  const unwanted = () => Promise.reject(new Error('not wanted'))
  return {
    journal,
    source,
    target,
    hooks: {},
    takeSafety: unwanted,
    restoreSafety: unwanted,
    clock: systemClock,
    logger: silentLogger,
    scratchDir: '/nowhere',
    signal: new AbortController().signal,
    entry: {
      run: `0000000${++runs}-0000-4000-8000-000000000000`,
      operation: 'restore',
      source: 'docs',
      kind: 'files',
      strategy: 'replace',
      target,
      places: [target],
      existed: true,
      repository: 'main',
      snapshot: 'a'.repeat(64),
      undoOf: undefined,
      tookKeptAs: undefined,
    },
  }
}

const restoring = (wanted: GuardRequest) =>
  guard(wanted, async ({ beforeChange }) => {
    await beforeChange({ places: [wanted.target] })
    return {}
  })

const phases = async (): Promise<string[]> => (await journal.list()).map(each => each.phase)

async function interrupted({ entry }: GuardRequest): Promise<JournalEntry> {
  const begun = await journal.begin({ ...entry, keepAs: 'before-1' })
  return await journal.update(begun, { phase: 'changing', owner: { ...begun.owner, pid: 2 ** 30 } })
}

describe('a restore', () => {
  it('is the only one into its target', async () => {
    await guard(request(), async () => {
      await expect(restoring(request())).rejects.toMatchObject({ code: 'target-in-use' })
      await restoring(request('/srv/other'))
      return {}
    })
    expect(await phases()).toEqual(['done', 'done'])
  })

  it('of several that begin at once, one at most goes through', async () => {
    let inside = 0
    const all = await Promise.allSettled(
      [1, 2, 3].map(() =>
        guard(request(), async ({ beforeChange }) => {
          expect(++inside).toBe(1)
          await beforeChange({ places: ['/srv/docs'] })
          inside--
          return {}
        }),
      ),
    )
    const refused = all.flatMap(each => (each.status === 'rejected' ? [each.reason] : []))
    expect(refused.length).toBeGreaterThanOrEqual(2)
    for (const each of refused) expect(each).toMatchObject({ code: 'target-in-use' })
  })

  it('refuses to start while an interrupted restore is being settled', async () => {
    const left = await interrupted(request())
    const claim = await journal.claim(left)
    await expect(restoring(request())).rejects.toMatchObject({ code: 'target-in-use' })
    await claim?.release()
    await restoring(request())
    expect((await journal.list())[0]).toMatchObject({ run: left.run, phase: 'failed' })
  })

  it('says what putting back found also when a bug ended it, which is thrown as it is', async () => {
    const said: string[] = []
    const logger = createLogger('warn', (_level, message) => said.push(message))
    const hooks = { before: { command: ['true'] }, after: { command: ['false'] } }
    const wanted = { ...request(), logger, hooks }
    const bug = new TypeError('a bug')
    const broken = guard(wanted, async ({ beforeChange }) => {
      await beforeChange({ places: [wanted.target] })
      throw bug
    })
    await expect(broken).rejects.toBe(bug)
    expect(said).toEqual([expect.stringContaining('the hook "after"')])
  })

  it('ends what could not be settled there before, which would take it away again; not elsewhere', async () => {
    await interrupted(request())
    await interrupted(request('/srv/other'))
    await restoring(request())
    expect((await phases()).toSorted()).toEqual(['changing', 'done', 'failed'])
    expect(await journal.listInterrupted()).toMatchObject([{ target: '/srv/other' }])
  })
})
