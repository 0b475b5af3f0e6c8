import { formatTime } from '../base/times.ts'
import type { TimedWindow } from '../operations/logs/windows.ts'

/** `2026-09-04 02:00:07 to 2026-09-04 15:30:00`. */
export function formatWindow(window: TimedWindow): string {
  const range = `${formatTime(window.from)} to ${formatTime(window.to)}`
  return window.branch === 1 ? range : `${range} (timeline ${window.branch})`
}
