// Loaded before a command with --import: its clock is off by SHIFT_MS, so that a test can go through days in seconds.
const shiftMs = Number(process.env.SHIFT_MS)
const Real = Date

globalThis.Date = class extends Real {
  constructor(...args) {
    if (args.length === 0) super(Real.now() + shiftMs)
    else super(...args)
  }

  static now() {
    return Real.now() + shiftMs
  }
}
