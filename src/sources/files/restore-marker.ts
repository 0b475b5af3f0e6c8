/**
 * Lies in a target from the first to the last moment of its restore into a new or empty folder. It names the snapshot,
 * so that the same restore started again goes on instead of refusing a folder with something in it.
 */
export const RESTORE_MARKER = '.lifeboat-restore'
