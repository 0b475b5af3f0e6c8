import type { Contents } from '../contract/reading.ts'
import type { Reading } from './reading.ts'

type WhileShared = <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** What can be read of a repository, and nothing else of it. */
export function contentsOf(reading: Reading, whileShared: WhileShared): Contents {
  return {
    loadTree: id => reading.loadTree(id),
    readContent: (content, signal) => reading.readContent(content, signal),
    loadContent: (content, signal) => reading.loadContent(content, signal),
    checkContent: (content, signal) => reading.checkContent(content, signal),
    loadBlob: (type, id) => reading.loadBlob(type, id),
    findBlobSizes: (type, ids) => reading.findBlobSizes(type, ids),
    restoreFiles: (files, options) =>
      whileShared(options.signal, signal => reading.restoreFiles(files, { ...options, signal })),
  }
}
