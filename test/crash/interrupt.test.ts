import { describeInterrupts } from '../contracts/interrupts.ts'

describeInterrupts([['backup', 'SIGINT']])
