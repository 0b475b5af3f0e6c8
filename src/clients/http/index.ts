export type { HttpAnswer, HttpHead } from './exchange.ts'
export { HttpFailure, type HttpFailureKind } from './failure.ts'
export { contentLength, contentRange, retryAfterMs } from './headers.ts'
export { HttpClient, type HttpRequest } from './http-client.ts'
