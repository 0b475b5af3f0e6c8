/**
 * What a probe stores for a moment, to see what a storage lets be done. It lies where packs do, so that it meets the same
 * rights and locks as they, and is named by its hash as they are, so that every storage takes it. No index names it:
 * Lifeboat and restic read nothing from it, and prune removes one that could not be removed at once. Always the same
 * bytes: where nothing can be deleted there is one of it, ever.
 */
export const PROBE_CONTENT = 'Lifeboat stored this to see what this storage lets be done. It may be removed.\n'

/** Of the SHA-256 of the content. */
export const PROBE_SHA256 = '5b6fa3d7e6d6d30c5ae65137b5928af2c30501299e87aa871e3e777a351e7e00'
export const PROBE_KEY = `data/${PROBE_SHA256.slice(0, 2)}/${PROBE_SHA256}`

/** Lies for a moment in each folder that is tried, to see whether locks hold there. */
export const TRIED_NAME = 'canary'

/** Was it stored to see what can be done, and not to be kept? Its coming and going says nothing about a repository. */
export function isTrial(key: string): boolean {
  return key === PROBE_KEY || key === TRIED_NAME || key.endsWith(`/${TRIED_NAME}`)
}
