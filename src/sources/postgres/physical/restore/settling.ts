/** Counts what is under way, and tells when nothing is. */
export class Settling {
  #underWay = 0
  #waiting: Array<() => void> = []

  /** Something begins; the returned function, called once or more often, says that it has ended. */
  begin(): () => void {
    let ended = false
    this.#underWay++
    return () => {
      if (ended) return
      ended = true
      this.#underWay--
      if (this.#underWay > 0) return
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }

  /** Resolves when all that has begun has ended. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }
}
