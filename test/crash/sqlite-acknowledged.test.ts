import { describeAcknowledgedRows, describeKilledLockHolders } from '../contracts/acknowledged-rows.ts'

describeAcknowledgedRows(2, 1)
describeKilledLockHolders()
