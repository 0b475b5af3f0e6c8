import { describe, expect, it } from 'vitest'
import { checkMergeProperties } from '../../../test/contracts/merge-property.ts'
import { sqliteEngine } from '../../../test/helpers/merge-engines.ts'

describe('merging random databases', () => {
  it('does what the model says', async () => {
    await expect(checkMergeProperties(sqliteEngine, false, 1)).resolves.toBeUndefined()
  })

  it('does what the model says where references lead nowhere', async () => {
    await expect(checkMergeProperties(sqliteEngine, true, 1)).resolves.toBeUndefined()
  })
})
