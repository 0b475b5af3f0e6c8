export type { HttpAnswer, HttpHead } from './exchange.ts'
export { HttpFailure, type HttpFailureKind } from './failure.ts'
export { type ContentRange, contentLength, contentRange, retryAfterMs, unsatisfiedTotal } from './headers.ts'
export { HttpClient, type HttpClientOptions, type HttpRequest } from './http-client.ts'
