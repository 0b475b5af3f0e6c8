import { describeMergeContract } from '../../../test/contracts/merge-contract.ts'
import { describeMergeFaults } from '../../../test/contracts/merge-faults.ts'
import { sqliteEngine } from '../../../test/helpers/merge-engines.ts'

describeMergeContract(sqliteEngine)
describeMergeFaults(sqliteEngine)
