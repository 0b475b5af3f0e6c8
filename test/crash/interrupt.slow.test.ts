import { describeInterrupts } from '../contracts/interrupts.ts'

describeInterrupts([
  ['backup', 'SIGTERM'],
  ['check', 'SIGINT'],
  ['restore', 'SIGINT'],
])
