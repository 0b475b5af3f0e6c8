import { describeAcknowledgedRows } from '../contracts/acknowledged-rows.ts'

/** For a long run: `ROUNDS=300 SEED=7 vitest run test/crash/sqlite-acknowledged.slow.test.ts`. */
describeAcknowledgedRows(Number(process.env['ROUNDS'] ?? 16), Number(process.env['SEED'] ?? 2))
