import { describeMergeContract } from '../../../test/contracts/merge-contract.ts'
import { sqliteEngine } from '../../../test/helpers/merge-engines.ts'

describeMergeContract(sqliteEngine)
