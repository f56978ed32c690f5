/** Names under which the list of tasks stands. */
const LISTS: ReadonlySet<string> = new Set(["tasks", "plan", "steps", "nodes"]);
const MAX_CHARS = 4_000_000;

/**
 * Reads the objects of a plan's list out of JSON that is still being written, each as soon as it is closed. Only strict
 * JSON is read: at the first thing that is none, it reads no more, and the whole answer is what counts.
 */
export class TaskScanner {
  #text = "";
  /** Up to where the text has been looked at. */
  #at = 0;
  /** The brackets that are open. */
  #open: string[] = [];
  #inString = false;
  /** Where the string begins that is read, or was last. */
  #stringFrom = -1;
  #stringEnd = -1;
  /** How many brackets are open directly inside the list; -1 before it begins. */
  #listDepth = -1;
  #elementFrom = -1;
  #over = false;

  /** Whether nothing more will come of this answer. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Takes a piece of text; returns the objects that it completes. */
  push(piece: string): unknown[] {
    if (this.#over) {
      return [];
    }
    this.#text += piece;
    const found: unknown[] = [];
    for (; this.#at < this.#text.length && !this.#over; this.#at++) {
      this.#look(this.#text[this.#at] ?? "", found);
    }
    this.#over ||= this.#text.length > MAX_CHARS;
    return found;
  }

  #look(char: string, found: unknown[]): void {
    if (this.#inString) {
      this.#lookInString(char);
    } else if (char === '"') {
      // Quotes in prose before the JSON mean nothing.
      this.#inString = this.#open.length > 0;
      this.#stringFrom = this.#at;
    } else if (char === "{" || char === "[") {
      this.#begin(char);
    } else if (char === "}" || char === "]") {
      this.#end(char, found);
    }
  }

  #lookInString(char: string): void {
    if (char === "\\") {
      this.#at += 1;
    } else if (char === '"') {
      this.#inString = false;
      this.#stringEnd = this.#at;
    }
  }

  #begin(char: string): void {
    this.#open.push(char);
    const depth = this.#open.length;
    const atRoot = char === "[" && depth === 1;
    const named = char === "[" && depth === 2 && this.#open[0] === "{" && LISTS.has(this.#lastKey());
    if (this.#listDepth < 0 && (atRoot || named)) {
      this.#listDepth = depth;
    } else if (char === "{" && depth === this.#listDepth + 1 && this.#listDepth > 0) {
      this.#elementFrom = this.#at;
    }
  }

  /** The key before a bracket: the last string, if a colon and nothing else follows it. */
  #lastKey(): string {
    const between = this.#text.slice(this.#stringEnd + 1, this.#at);
    return /^\s*:\s*$/.test(between) ? this.#text.slice(this.#stringFrom + 1, this.#stringEnd) : "";
  }

  #end(char: string, found: unknown[]): void {
    const opened = this.#open.pop();
    if (opened === undefined || (opened === "{") !== (char === "}")) {
      this.#over = this.#listDepth > 0;
      this.#open = [];
      return;
    }
    if (this.#open.length === this.#listDepth && this.#elementFrom >= 0) {
      try {
        found.push(JSON.parse(this.#text.slice(this.#elementFrom, this.#at + 1)));
      } catch {
        this.#over = true;
      }
      this.#elementFrom = -1;
    } else if (this.#listDepth > 0 && this.#open.length < this.#listDepth) {
      this.#over = true;
    }
  }
}
