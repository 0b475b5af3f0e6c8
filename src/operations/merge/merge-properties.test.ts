import { describe, expect, it } from 'vitest'
import { checkMergeProperties } from '../../../test/contracts/merge-property.ts'
import { sqliteEngine } from '../../../test/helpers/merge-engines.ts'

describe('merging random databases', { timeout: 300_000 }, () => {
  it('does what the model says', async () => {
    await expect(checkMergeProperties(sqliteEngine, false, 4)).resolves.toBeUndefined()
  })

  it('does what the model says where references lead nowhere', async () => {
    await expect(checkMergeProperties(sqliteEngine, true, 4)).resolves.toBeUndefined()
  })
})
