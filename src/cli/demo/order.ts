/** One purchase in the demo shop, as its process committed it: a row of Invoice and its rows of InvoiceLine. */
export interface Order {
  readonly invoiceId: number
  readonly customerId: number
  readonly date: string
  readonly country: string
  readonly total: number
  readonly lines: readonly OrderLine[]
}

export interface OrderLine {
  readonly lineId: number
  readonly trackId: number
  readonly price: number
}

/** What the shop's process says after each commit. `waitedMs` is what the whole transaction took. */
export interface OrderMessage {
  readonly order: Order
  readonly waitedMs: number
}
