import type { Syntax } from "./report-languages.ts";

/** A line of a file, taken apart. */
export interface ScannedLine {
  /** A line with both code and a comment is code. */
  readonly kind: "code" | "comment" | "blank";
  /** The line as it is. */
  readonly text: string;
  /** The line with comments and what is in strings blanked: as long as the line, so that columns agree. */
  readonly code: string;
  /** The line with comments blanked. */
  readonly bare: string;
  /** What the comments on the line say. */
  readonly comment: string;
}

/** Tells code from comments, line by line. It knows strings, templates and regular expressions, but does not parse. */
export function scan(text: string, syntax: Syntax): ScannedLine[] {
  const scanner = new Scanner(syntax);
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") {
    lines.pop();
  }
  return lines.map((line) => scanner.next(line));
}

/** A comment or string that was begun and can go on over lines. */
interface Open {
  readonly comment: boolean;
  readonly template: boolean;
  /** Finds what could end it. */
  readonly stop: RegExp;
}

/** After these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REG_EXP =
  /(?:^|[=(,:[!&|?{};+\-*%~^]|=>|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|yield|await))$/;

class Scanner {
  readonly #syntax: Syntax;
  readonly #mark: RegExp | undefined;
  #open: Open | undefined;
  /** Of each `${` that is open: the braces open inside it. */
  readonly #braces: number[] = [];
  #code = "";
  #bare = "";
  #comment = "";
  #inString = false;

  constructor(syntax: Syntax) {
    this.#syntax = syntax;
    const marks = [
      ...(syntax.longQuotes ?? []),
      ...(syntax.blockComments ?? []).map(([begin]) => begin),
      ...(syntax.lineComments ?? []),
      ...(syntax.quotes ?? []),
      ...(syntax.regExps ? ["/"] : []),
      ...(syntax.templates ? ["`", "{", "}"] : []),
    ];
    this.#mark = marks.length > 0 ? new RegExp(marks.map(literal).join("|"), "g") : undefined;
  }

  next(text: string): ScannedLine {
    this.#code = "";
    this.#bare = "";
    this.#comment = "";
    this.#inString = false;
    let at = 0;
    while (at < text.length) {
      at = this.#open ? this.#goOn(text, at, this.#open) : this.#advance(text, at);
    }
    const hasCode = this.#code.trim() !== "" || this.#inString;
    const kind = text.trim() === "" ? "blank" : hasCode ? "code" : "comment";
    return { kind, text, code: this.#code, bare: this.#bare, comment: this.#comment };
  }

  /** In a comment or string: to its end or the line's. */
  #goOn(text: string, at: number, open: Open): number {
    const { stop } = open;
    stop.lastIndex = at;
    for (let match = stop.exec(text); match; match = stop.exec(text)) {
      if (!match[0].startsWith("\\")) {
        this.#open = undefined;
        if (match[0] === "${") {
          this.#braces.push(0);
        }
        const inside = text.slice(at, match.index);
        this.#skip(inside, open);
        this.#skip(match[0], { comment: open.comment, mark: true });
        return stop.lastIndex;
      }
    }
    this.#skip(text.slice(at), open);
    return text.length;
  }

  /** In code: to behind the next mark. */
  #advance(text: string, at: number): number {
    if (!this.#mark) {
      this.#keep(text.slice(at));
      return text.length;
    }
    this.#mark.lastIndex = at;
    const match = this.#mark.exec(text);
    this.#keep(text.slice(at, match?.index));
    return match ? this.#take(text, match[0], match.index) : text.length;
  }

  #take(text: string, mark: string, at: number): number {
    const after = at + mark.length;
    if (this.#syntax.lineComments?.includes(mark)) {
      if (this.#syntax.spacedComments && at > 0 && !/\s/.test(text[at - 1] ?? "")) {
        return this.#keep(mark, after);
      }
      this.#skip(mark, { comment: true, mark: true });
      this.#skip(text.slice(after), { comment: true });
      return text.length;
    }
    const block = this.#syntax.blockComments?.find(([begin]) => begin === mark);
    if (block) {
      this.#open = { comment: true, template: false, stop: new RegExp(literal(block[1]), "g") };
      this.#skip(mark, { comment: true, mark: true });
      return after;
    }
    if (mark === "{" || mark === "}") {
      return this.#takeBrace(mark, after);
    }
    if (mark === "/") {
      return this.#takeSlash(text, at);
    }
    return this.#takeQuote(text, mark, at);
  }

  #takeQuote(text: string, mark: string, at: number): number {
    const after = at + mark.length;
    const template = mark === "`" && this.#syntax.templates === true;
    if (!template && !this.#syntax.longQuotes?.includes(mark)) {
      const end = endOfString(text, mark, after);
      if (end < 0) {
        // An apostrophe in the text of JSX, say. It ends nothing and begins nothing.
        return this.#keep(mark, after);
      }
      this.#keepString(text.slice(at, end));
      return end;
    }
    const comment = this.#syntax.docstrings === true && /^\s*[rRuU]?$/.test(this.#code);
    if (comment) {
      this.#code = this.#code.replaceAll(/\S/g, " ");
    }
    this.#open = {
      comment,
      template,
      stop: new RegExp(`\\\\.|${literal(mark)}${template ? "|\\$\\{" : ""}`, "g"),
    };
    this.#skip(mark, { comment, mark: true });
    return after;
  }

  #takeBrace(mark: string, after: number): number {
    const depth = this.#braces.at(-1);
    if (depth === undefined) {
      return this.#keep(mark, after);
    }
    if (mark === "}" && depth === 0) {
      this.#braces.pop();
      this.#open = { comment: false, template: true, stop: /\\.|`|\$\{/g };
      this.#skip(mark, { comment: false, mark: true });
      return after;
    }
    this.#braces[this.#braces.length - 1] = depth + (mark === "{" ? 1 : -1);
    return this.#keep(mark, after);
  }

  #takeSlash(text: string, at: number): number {
    const end = BEFORE_REG_EXP.test(this.#code.trimEnd().slice(-12)) ? endOfRegExp(text, at + 1) : -1;
    if (end < 0) {
      return this.#keep("/", at + 1);
    }
    this.#keepString(text.slice(at, end));
    return end;
  }

  #keep(code: string, after = 0): number {
    this.#code += code;
    this.#bare += code;
    return after;
  }

  /** Strings keep their quotes, so that what surrounds them can be recognised. */
  #keepString(text: string): void {
    this.#code += `${text[0]}${" ".repeat(text.length - 2)}${text.at(-1)}`;
    this.#bare += text;
  }

  #skip(text: string, { comment, mark = false }: { comment: boolean; mark?: boolean }): void {
    const blanks = " ".repeat(text.length);
    this.#code += blanks;
    this.#bare += comment ? blanks : text;
    if (comment) {
      this.#comment += mark ? " " : text;
    } else if (text.trim() !== "") {
      this.#inString = true;
    }
  }
}

/** Where a string on one line ends, its closing quote included; -1 if it does not. */
function endOfString(text: string, quote: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\") {
      at++;
    } else if (text.startsWith(quote, at)) {
      return at + quote.length;
    }
  }
  return text.endsWith("\\") ? text.length : -1;
}

/** Where a regular expression ends, without its flags; -1 if it does not end on this line. */
function endOfRegExp(text: string, from: number): number {
  let inClass = false;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") {
      at++;
    } else if (char === "[") {
      inClass = true;
    } else if (char === "]") {
      inClass = false;
    } else if (char === "/" && !inClass) {
      return at + 1;
    }
  }
  return -1;
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
