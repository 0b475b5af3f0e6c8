export type { HttpAnswer, HttpHead } from './exchange.ts'
export { HttpFailure, type HttpFailureKind } from './failure.ts'
export { type ContentRange, contentLength, contentRange, retryAfterMs } from './headers.ts'
export { HttpClient, type HttpClientOptions, type HttpRequest } from './http-client.ts'
