/** Slots to begin with: a page of text has some thousand features. A power of two. */
const SLOTS = 4096;

/**
 * How often each feature is there, and the weight that it had first; in the order in which they came. A hash table with
 * open addressing that is emptied by counting up: a Map of objects took four times as long, most of all embedding.
 */
export class FeatureCounts {
  #features = new Uint32Array(SLOTS);
  #counts = new Uint32Array(SLOTS);
  #weights = new Float64Array(SLOTS);
  /** In which text a slot was last used. */
  #usedIn = new Uint32Array(SLOTS);
  /** Slots in use, in the order in which they came. */
  #order = new Uint32Array(SLOTS);
  #size = 0;
  #text = 0;

  /** Forgets everything: another text begins. */
  clear(): void {
    this.#size = 0;
    this.#text += 1;
  }

  /** @param feature 32 bits */
  add(feature: number, weight: number): void {
    const slot = this.#slotOf(feature);
    if (this.#usedIn[slot] === this.#text) {
      this.#counts[slot] = (this.#counts[slot] as number) + 1;
      return;
    }
    this.#usedIn[slot] = this.#text;
    this.#features[slot] = feature;
    this.#counts[slot] = 1;
    this.#weights[slot] = weight;
    this.#order[this.#size] = slot;
    this.#size += 1;
    if (this.#size * 2 > this.#features.length) {
      this.#grow();
    }
  }

  forEach(tell: (feature: number, count: number, weight: number) => void): void {
    for (let place = 0; place < this.#size; place++) {
      const slot = this.#order[place] as number;
      tell(this.#features[slot] as number, this.#counts[slot] as number, this.#weights[slot] as number);
    }
  }

  /** Where the feature is, or will be. */
  #slotOf(feature: number): number {
    const last = this.#features.length - 1;
    let slot = feature & last;
    while (this.#usedIn[slot] === this.#text && this.#features[slot] !== feature >>> 0) {
      slot = (slot + 1) & last;
    }
    return slot;
  }

  #grow(): void {
    const slots = 2 * this.#features.length;
    const all: [number, number, number][] = [];
    this.forEach((...one) => {
      all.push(one);
    });
    this.#features = new Uint32Array(slots);
    this.#counts = new Uint32Array(slots);
    this.#weights = new Float64Array(slots);
    this.#usedIn = new Uint32Array(slots);
    this.#order = new Uint32Array(slots);
    this.#size = 0;
    this.#text = 1;
    for (const [feature, count, weight] of all) {
      this.add(feature, weight);
      this.#counts[this.#order[this.#size - 1] as number] = count;
    }
  }
}
