const BITS = 32;

/** Rows of bits of one length. */
export class BitRows {
  readonly #words: number;
  readonly #bits: Uint32Array;

  constructor(rows: number, columns: number) {
    this.#words = Math.ceil(columns / BITS);
    this.#bits = new Uint32Array(rows * this.#words);
  }

  set(row: number, column: number): void {
    const at = row * this.#words + (column >>> 5);
    this.#bits[at] = (this.#bits[at] as number) | (1 << (column & 31));
  }

  clear(row: number): void {
    this.#bits.fill(0, row * this.#words, (row + 1) * this.#words);
  }

  /** Adds the bits of a row of the same or another table with as many columns. */
  add(row: number, other: number, from: BitRows = this): void {
    const to = row * this.#words;
    const source = other * this.#words;
    for (let word = 0; word < this.#words; word++) {
      this.#bits[to + word] = (this.#bits[to + word] as number) | (from.#bits[source + word] as number);
    }
  }

  /** The largest column below `below` whose bit is set in the row, in the mask's row, and not in the other's; else -1. */
  lastOf(row: number, below: number, { mask, except }: { mask: RowOf; except: RowOf }): number {
    const at = row * this.#words;
    const maskAt = mask.row * this.#words;
    const exceptAt = except.row * this.#words;
    for (let word = (below - 1) >>> 5; below > 0 && word >= 0; word--) {
      let bits =
        (this.#bits[at + word] as number) &
        (mask.rows.#bits[maskAt + word] as number) &
        ~(except.rows.#bits[exceptAt + word] as number);
      if (word === (below - 1) >>> 5 && (below & 31) !== 0) {
        bits &= (1 << (below & 31)) - 1;
      }
      if (bits !== 0) {
        return word * BITS + 31 - Math.clz32(bits);
      }
    }
    return -1;
  }
}

/** A row of a table. */
export interface RowOf {
  readonly rows: BitRows;
  readonly row: number;
}
