import { describe, it } from 'vitest'
import { checkMergeProperties } from '../../../test/contracts/merge-property.ts'
import { sqliteEngine } from '../../../test/helpers/merge-engines.ts'

describe('merging random databases', { timeout: 300_000 }, () => {
  it('does what the model says', () => checkMergeProperties(sqliteEngine, false, 4))
  it('does what the model says where references lead nowhere', () => checkMergeProperties(sqliteEngine, true, 4))
})
