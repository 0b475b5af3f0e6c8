import { expect, test } from 'vitest'
import { findCronProblem } from './cron.ts'

test.each([
  '0 2 * * *',
  '*/10 * * * *',
  '0-30/5,45 8-18 1,15 jan-mar,12 mon-fri',
  '5/15 0 * * 7',
  '0 0 29 2 *',
  '0 0 31 2 mon',
  '@daily',
])('%s is a schedule', expression => expect(findCronProblem(expression)).toBeUndefined())

test.each([
  ['61 * * * *', 'minute'],
  ['* 24 * * *', 'hour'],
  ['* * 0 * *', 'day of the month'],
  ['* * 32 * *', 'day of the month'],
  ['* * * 13 *', 'month'],
  ['* * * foo *', 'month'],
  ['* * * * 8', 'day of the week'],
  ['5-1 * * * *', 'minute'],
  ['*/0 * * * *', 'minute'],
  ['*/99 * * * *', 'minute'],
  [', * * * *', 'minute'],
  ['1- * * * *', 'minute'],
  ['-1 * * * *', 'minute'],
  ['1.5 * * * *', 'minute'],
  ['0 0 31 2 *', 'a day that comes'],
  ['0 0 30 feb *', 'a day that comes'],
  ['* * * *', 'five fields'],
  ['* * * * * *', 'five fields'],
  ['@reboot', 'five fields'],
  ['', 'five fields'],
])('%s is none: %s', (expression, why) => expect(findCronProblem(expression)).toContain(why))
