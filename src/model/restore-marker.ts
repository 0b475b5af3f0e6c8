/**
 * Lies in a target from the first to the last moment of its restore. It names the snapshot, so that the same restore
 * started again goes on instead of refusing a folder with something in it, and a backup knows that files may be missing.
 */
export const RESTORE_MARKER = '.lifeboat-restore'

/** Becomes the marker once it is whole. */
export const NEW_RESTORE_MARKER = `${RESTORE_MARKER}-new`
