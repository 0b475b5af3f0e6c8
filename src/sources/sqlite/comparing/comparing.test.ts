import { describeCompareContract } from '../../../../test/contracts/compare-contract.ts'
import { sqliteEngine } from '../../../../test/helpers/merge-engines.ts'

describeCompareContract(sqliteEngine)
