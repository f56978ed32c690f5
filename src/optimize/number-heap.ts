/** A binary heap of node numbers: the smallest key first, and of equal keys the node that was pushed first. */
export class NumberHeap {
  /** By node; a node is in the heap once at most. */
  readonly #keys: Float64Array;
  readonly #pushes: Float64Array;
  readonly #nodes: Int32Array;
  #pushed = 0;
  #size = 0;

  /** @param nodeCount nodes are numbered below it */
  constructor(nodeCount: number) {
    this.#keys = new Float64Array(nodeCount);
    this.#pushes = new Float64Array(nodeCount);
    this.#nodes = new Int32Array(nodeCount);
  }

  get size(): number {
    return this.#size;
  }

  /** The smallest key; Infinity of an empty heap. */
  get smallest(): number {
    return this.#size > 0 ? (this.#keys[this.#nodes[0] as number] as number) : Number.POSITIVE_INFINITY;
  }

  push(key: number, node: number): void {
    this.#keys[node] = key;
    this.#pushes[node] = this.#pushed++;
    let at = this.#size++;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = this.#nodes[above] as number;
      if (!this.#isBefore(node, other)) {
        break;
      }
      this.#nodes[at] = other;
      at = above;
    }
    this.#nodes[at] = node;
  }

  /** The node with the smallest key, taken out; -1 of an empty heap. */
  pop(): number {
    if (this.#size === 0) {
      return -1;
    }
    const first = this.#nodes[0] as number;
    const end = --this.#size;
    const node = this.#nodes[end] as number;
    let at = 0;
    for (let below = 1; below < end; below = 2 * at + 1) {
      if (below + 1 < end && this.#isBefore(this.#nodes[below + 1] as number, this.#nodes[below] as number)) {
        below++;
      }
      const other = this.#nodes[below] as number;
      if (this.#isBefore(node, other)) {
        break;
      }
      this.#nodes[at] = other;
      at = below;
    }
    this.#nodes[at] = node;
    return first;
  }

  #isBefore(node: number, other: number): boolean {
    const key = this.#keys[node] as number;
    const otherKey = this.#keys[other] as number;
    return (
      key < otherKey || (key === otherKey && (this.#pushes[node] as number) < (this.#pushes[other] as number))
    );
  }
}
