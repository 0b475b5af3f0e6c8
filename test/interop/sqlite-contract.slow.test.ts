import { describe } from 'vitest'
import { describeSourceContract } from '../contracts/source-contract.ts'
import { sqliteContract } from '../helpers/sqlite-fixture.ts'

// The common case, WAL and an application in another process, runs beside the code.
describe('rollback journal', () => {
  describeSourceContract(sqliteContract('delete', 'other process'))
})
describe('embedded in the application', () => {
  describeSourceContract(sqliteContract('wal', 'this process'))
})
