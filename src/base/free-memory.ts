import { isMarkedAsUntransferable } from 'node:worker_threads'

/**
 * Gives the memory under a view back at once; the view is empty afterwards. Else it would stay until the garbage collector
 * comes by, and that comes by more often the more of it there is. Memory that others see too is left alone.
 */
export function freeMemory(view: ArrayBufferView): void {
  const { buffer } = view
  if (buffer instanceof ArrayBuffer && view.byteLength === buffer.byteLength && !isMarkedAsUntransferable(buffer)) {
    buffer.transfer(0)
  }
}
