import { MAX_NAME_LENGTH } from "../core/names.ts";

/** Where the tasks of a plan will stand, as far as their ids go. */
export interface NamePlace {
  /** What all ids begin with: the task that is decomposed. Its own tasks then never meet those of another. */
  readonly prefix?: string | undefined;
  /** Ids that stand for tasks of an earlier plan; a new task of that name gets `suffix`. */
  readonly used?: ReadonlySet<string> | undefined;
  readonly suffix?: string | undefined;
  /** Tasks outside the plan whose outputs are there. */
  readonly finished: ReadonlySet<string>;
  /** Whether a number that is no id counts as a position in the plan. Not before the plan is whole. */
  readonly positions: boolean;
  /** Whether positions count from 0. */
  readonly fromZero?: boolean | undefined;
}

/** The ids that a model gave its tasks, and what they are here. */
export class TaskNames {
  readonly #place: NamePlace;
  readonly #byGiven = new Map<string, string>();
  readonly #byNumber = new Map<number, string>();
  readonly #order: string[] = [];

  constructor(place: NamePlace) {
    this.#place = place;
  }

  /** Takes a task's id down; returns the one it has from now on. "" stays, for the validator to see. */
  add(given: unknown): string {
    const position = this.#order.length;
    const text = typeof given === "number" ? String(given) : given;
    const id =
      text === undefined || text === null ? `t${position + 1}` : typeof text === "string" ? text : "";
    const name = this.#toName(id);
    if (typeof text === "string" && text !== "" && !this.#byGiven.has(text)) {
      this.#byGiven.set(text, name);
      const number = /^(?:[A-Za-z]+[-_]?)?(\d{1,6})$/.exec(text)?.[1];
      if (number !== undefined && !this.#byNumber.has(Number(number))) {
        this.#byNumber.set(Number(number), name);
      }
    }
    this.#order.push(name);
    return name;
  }

  /** The task that a model means by an id. */
  find(given: string): string | undefined {
    return this.#byGiven.get(given) ?? (this.#place.finished.has(given) ? given : undefined);
  }

  /** The task that a model means by a number: by its id, else by its place in the plan. */
  numbered(number: number): { readonly id: string; readonly byId: boolean } | undefined {
    const id = this.#byNumber.get(number);
    if (id !== undefined) {
      return { id, byId: true };
    }
    const first = this.#place.fromZero ? 0 : 1;
    const at = this.#place.positions ? this.#order[number - first] : undefined;
    return at === undefined ? undefined : { id: at, byId: false };
  }

  #toName(id: string): string {
    const { prefix, used, suffix = "", finished } = this.#place;
    // A finished task that the model writes down again is that task.
    if (id === "" || finished.has(id)) {
      return id;
    }
    const plain = id.replaceAll(/[^A-Za-z0-9_.:-]+/g, "_");
    const name = /^[A-Za-z_]/.test(plain) ? plain : `t${plain}`;
    const full = prefix === undefined || name.startsWith(`${prefix}.`) ? name : `${prefix}.${name}`;
    // Ids that are too long stay so: the validator says how long they may be.
    return used?.has(full) && full.length + suffix.length <= MAX_NAME_LENGTH ? `${full}${suffix}` : full;
  }
}
