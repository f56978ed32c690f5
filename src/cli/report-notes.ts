import { shorten } from "./format.ts";
import type { ScannedLine } from "./report-scan.ts";

/** Something that somebody left to do. */
export interface FoundNote {
  readonly kind: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

/** At the start of a comment, or with a colon or a name in brackets behind it: a word in a sentence is no note. */
const NOTE =
  /(?:^[\s*\-/#]*@?(?<first>TODO|FIXME|HACK|XXX)\b|\b(?<marked>TODO|FIXME|HACK|XXX)(?=:|\([^)]*\)))(?<text>.*)$/;
const TEXT_LENGTH = 160;

/** The TODO, FIXME, HACK and XXX notes in the comments of a file. */
export function findNotes(lines: readonly ScannedLine[]): FoundNote[] {
  return lines.flatMap(({ comment }, index) => {
    const groups = NOTE.exec(lowerTag(comment))?.groups;
    if (!groups) {
      return [];
    }
    const text = (groups.text ?? "").replace(/^[\s:,.\-–—]+/, "").replace(/[\s*/]+$/, "");
    return [
      {
        kind: groups.first ?? groups.marked ?? "TODO",
        line: index + 1,
        text: shorten(text, TEXT_LENGTH),
      },
    ];
  });
}

/** JSDoc writes `@todo`. */
function lowerTag(comment: string): string {
  return comment.includes("@todo") ? comment.replace(/@todo\b/, "TODO") : comment;
}
