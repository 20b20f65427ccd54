/** No line that is of any use needs longer than this. */
const MAX_MS = 60_000

/**
 * A time limit learns how long something takes on this line.
 *
 * It doubles after each time that it was too short, so that a slow line is given the time it needs
 * after a few attempts; and once that was enough, it stays at twice what was needed.
 */
export class TimeLimit {
  #minMs
  #timesTooShort = 0
  #neededMs = 0

  /** @param {number} minMs on a line of usual speed */
  constructor(minMs) {
    this.#minMs = minMs
  }

  get ms() {
    return Math.min(MAX_MS, Math.max(this.#minMs, 2 * this.#neededMs) * 2 ** this.#timesTooShort)
  }

  /** Of those that end together only one counts. @param {number} ms what the limit was when it began */
  wasTooShort(ms) {
    if (ms === this.ms) this.#timesTooShort++
  }

  /** @param {number} tookMs */
  wasEnough(tookMs) {
    this.#timesTooShort = 0
    this.#neededMs = Math.max(this.#neededMs, tookMs)
  }
}
