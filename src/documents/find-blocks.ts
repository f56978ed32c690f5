/** What kind of text it is, which says where it is best cut. */
export type TextFormat = "markdown" | "code" | "text";

/** A part of a text that is better not cut. Blocks follow each other without gaps. */
export interface Block {
  readonly start: number;
  readonly end: number;
  /** It begins something new, such as a section. */
  readonly breaks: boolean;
}

interface Line {
  readonly start: number;
  readonly text: string;
}

/** The blocks of a text: paragraphs, and sections, fenced code and definitions where the format has them. */
export function findBlocks(text: string, format: TextFormat): Block[] {
  const begins = format === "markdown" ? markdownBegins() : format === "code" ? codeBegins() : textBegins();
  const blocks: { start: number; end: number; breaks: boolean }[] = [];
  let blank = false;
  for (const line of linesOf(text)) {
    const begin = begins(line.text, blank);
    const last = blocks.at(-1);
    if (last && begin === "within") {
      last.end = line.start + line.text.length;
    } else {
      blocks.push({ start: line.start, end: line.start + line.text.length, breaks: begin === "section" });
    }
    blank = line.text.trim() === "";
  }
  return blocks;
}

/** What a line begins, from itself and whether the one before was blank. */
type Begins = (line: string, afterBlank: boolean) => "section" | "block" | "within";

function textBegins(): Begins {
  return (line, afterBlank) => (afterBlank && line.trim() !== "" ? "block" : "within");
}

/** What is not indented, after a blank line, is likely to be a definition. */
function codeBegins(): Begins {
  return (line, afterBlank) => {
    if (!afterBlank || line.trim() === "") {
      return "within";
    }
    return /^[^\s)}\]]/.test(line) ? "section" : "block";
  };
}

const HEADING = /^ {0,3}#{1,6}(?:\s|$)/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** Headings begin sections; between fences nothing begins. */
function markdownBegins(): Begins {
  let fence = "";
  return (line, afterBlank) => {
    const mark = FENCE.exec(line)?.[1] ?? "";
    if (fence !== "") {
      const closes =
        mark.startsWith(fence[0] as string) && mark.length >= fence.length && line.trim() === mark;
      fence = closes ? "" : fence;
      return "within";
    }
    fence = mark;
    if (HEADING.test(line)) {
      return "section";
    }
    return line.trim() !== "" && (afterBlank || mark !== "") ? "block" : "within";
  };
}

/** Lines with their ends. */
function* linesOf(text: string): Generator<Line> {
  for (let start = 0; start < text.length; ) {
    const feed = text.indexOf("\n", start);
    const end = feed < 0 ? text.length : feed + 1;
    yield { start, text: text.slice(start, end) };
    start = end;
  }
}
