type Handler = ((value: unknown) => unknown) | null | undefined;

interface Node {
  readonly promise: Promise<unknown>;
  /** How often it was awaited directly. */
  awaits: number;
  readonly followers: Follower[];
}

/** One call of `then`. */
interface Follower {
  readonly derived: Node;
  readonly race: Race;
}

interface Race {
  members: number;
  decided: boolean;
}

const nativeThen = Promise.prototype.then;

/**
 * Watches promises for who waits for them. A step is parked when it can do nothing but wait: in `Promise.race([a, b])`
 * with a answered, b stops nobody; in `Promise.all([a, b])` it does. The language lets the difference be seen
 * (ECMA-262: PromiseResolve, Await, PerformPromiseRace): `await` reads a promise's constructor and nothing else;
 * combinators read it and call `then` at once; race and any give one and the same function to all that they race.
 */
export class AwaitedPromises {
  readonly #onAwaited: () => void;
  readonly #nodes = new WeakMap<object, Node>();
  readonly #races = new Map<Handler, Race>();
  /** The promise whose constructor was read last, until its `then` is called. */
  #constructorOf: Node | undefined;
  #ownCall = false;

  /** @param onAwaited called whenever somebody begins to wait for one of the promises */
  constructor(onAwaited: () => void) {
    this.#onAwaited = onAwaited;
  }

  /** Makes a promise, and those derived from it, tell who waits for them. */
  watch<T>(promise: Promise<T>): Promise<T> {
    this.#watch(promise);
    return promise;
  }

  /** Whether anything waits for the promise, other than races that are decided. */
  isAwaited(promise: Promise<unknown>): boolean {
    const node = this.#nodes.get(promise);
    return node !== undefined && holdsUp(node);
  }

  /** It will be rejected, and that is nobody's fault: where it is not looked at, it does not have to be. */
  forgive(promise: Promise<unknown>): void {
    const node = this.#nodes.get(promise);
    for (const { promise: one } of node ? withDerived(node) : []) {
      this.#then(one, undefined, () => undefined);
    }
  }

  #watch(promise: Promise<unknown>): Node {
    const node: Node = { promise, awaits: 0, followers: [] };
    this.#nodes.set(promise, node);
    Object.defineProperties(promise, {
      constructor: { get: () => this.#read(node) },
      // biome-ignore lint/suspicious/noThenProperty: it is a promise, and has one.
      then: { value: (done: Handler, failed: Handler) => this.#follow(node, done, failed) },
    });
    return node;
  }

  #read(node: Node): PromiseConstructor {
    if (!this.#ownCall) {
      node.awaits += 1;
      this.#constructorOf = node;
      this.#onAwaited();
    }
    return Promise;
  }

  #follow(node: Node, done: Handler, failed: Handler): Promise<unknown> {
    if (this.#constructorOf === node) {
      node.awaits -= 1;
      this.#constructorOf = undefined;
    }
    // First, so that a race is known to be decided when its handler is called.
    const race = this.#join(node.promise, done);
    const derived = this.#then(node.promise, done, failed);
    node.followers.push({ derived: this.#watch(derived), race });
    this.#onAwaited();
    return derived;
  }

  #join(promise: Promise<unknown>, handler: Handler): Race {
    const known = this.#races.get(handler);
    // What is decided already is no race: compiled code awaits one promise after the other with one function.
    const race = known && !known.decided ? known : { members: 0, decided: false };
    if (typeof handler === "function") {
      this.#races.set(handler, race);
    }
    race.members += 1;
    const decide = (): void => {
      race.decided = true;
    };
    this.#then(promise, decide, decide);
    return race;
  }

  /** The native `then` reads the constructor, too. */
  #then(promise: Promise<unknown>, done: Handler, failed: Handler): Promise<unknown> {
    this.#ownCall = true;
    try {
      return nativeThen.call(promise, done, failed);
    } finally {
      this.#ownCall = false;
    }
  }
}

function holdsUp({ awaits, followers }: Node): boolean {
  return (
    awaits > 0 ||
    followers.some(({ derived, race }) =>
      derived.awaits > 0 || derived.followers.length > 0
        ? holdsUp(derived)
        : race.members === 1 || !race.decided,
    )
  );
}

function withDerived(node: Node): Node[] {
  return [node, ...node.followers.flatMap(({ derived }) => withDerived(derived))];
}
