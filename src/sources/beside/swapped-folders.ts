import { removeFolder } from '../../base/remove-folder.ts'
import type { TargetAccess } from '../target.ts'
import { placeOf } from '../target-place.ts'
import { keptPathOf } from './names.ts'
import { dropKeptPath, dropReplaced, putKeptBack, settleKeptPath } from './swap.ts'

/** What is done alike at every folder that a restore swaps. */
export const swappedFolders = {
  async putBack({ target, keptAs, keepNowAs }) {
    const path = await placeOf(target)
    const now = keepNowAs === undefined ? undefined : keptPathOf(path, keepNowAs).kept
    await putKeptBack(keptPathOf(path, keptAs), now)
    return now === undefined ? [] : [{ target: path, kept: now }]
  },
  async dropKept({ target, keptAs }) {
    await dropKeptPath(keptPathOf(await placeOf(target), keptAs))
  },
  async remove({ target }) {
    await removeFolder(await placeOf(target))
  },
  async settle({ target, keptAs }) {
    const place = keptPathOf(await placeOf(target), keptAs)
    const state = await settleKeptPath(place)
    await dropReplaced(place)
    return { state, kept: state === 'finished' ? [{ target: place.path, kept: place.kept }] : [] }
  },
} satisfies Pick<TargetAccess, 'putBack' | 'dropKept' | 'remove' | 'settle'>
