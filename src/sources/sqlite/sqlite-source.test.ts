import { describeSourceContract } from '../../../test/contracts/source-contract.ts'
import { sqliteContract } from '../../../test/helpers/sqlite-fixture.ts'

describeSourceContract(sqliteContract('wal', 'other process'))
