import { BLOCK_LINES, type Stretch } from "./report-duplicates.ts";
import { MAX_FILE_BYTES, type Tally } from "./report-files.ts";
import { byteSize, counted, escapeText, type Linker, number, percent, table } from "./report-markdown.ts";
import { LONG_FUNCTION, LONG_LINE, type Spot, type Total } from "./report-measure.ts";
import type { ReportParts } from "./report-parts.ts";

const TOP_ROWS = 10;
const TODO_ROWS = 50;
const FOLDER_ROWS = 20;
const PAIR_ROWS = 15;

/** The findings of a report: headings, and what stands below them. What has nothing to say is left out. */
export function sections(parts: ReportParts, link: Linker): string[] {
  return [
    ...section("Languages", [languages(parts)]),
    ...section("Folders", [folders(parts, link)]),
    ...section("Largest files", [largestFiles(parts, link)]),
    ...section("Longest functions", longestFunctions(parts, link)),
    ...section("Longest lines", longestLines(parts, link)),
    ...section("To-do notes", todos(parts, link)),
    ...section("Repeated code", repeated(parts, link)),
    ...section("Most imported", imported(parts)),
    ...section("History", history(parts, link)),
    ...section("Left out", [leftOut(parts)]),
  ];
}

function section(title: string, blocks: readonly string[]): string[] {
  const said = blocks.filter((block) => block !== "");
  return said.length > 0 ? [`## ${title}`, ...said] : [];
}

function languages({ inventory }: ReportParts): string {
  const ordered = [...inventory.languages].sort(
    (a, b) => Number(b.family === "code") - Number(a.family === "code"),
  );
  const all: Total[] = ordered.length > 1 ? [addUp(ordered)] : [];
  return totals("Language", [...ordered, ...all], (total) => total.name);
}

function addUp(all: readonly Total[]): Total {
  const sum = (pick: (total: Total) => number): number => all.reduce((sofar, one) => sofar + pick(one), 0);
  return {
    name: "**All**",
    files: sum(({ files }) => files),
    bytes: sum(({ bytes }) => bytes),
    lines: sum(({ lines }) => lines),
    code: sum(({ code }) => code),
    comments: sum(({ comments }) => comments),
  };
}

function totals(title: string, rows: readonly Total[], nameOf: (total: Total) => string): string {
  return table(
    [
      [title, "left"],
      ["Files", "right"],
      ["Lines", "right"],
      ["Code", "right"],
      ["Comments", "right"],
      ["Blank", "right"],
      ["Size", "right"],
    ],
    rows.map((row) => [
      nameOf(row),
      number(row.files),
      number(row.lines),
      number(row.code),
      number(row.comments),
      number(row.lines - row.code - row.comments),
      byteSize(row.bytes),
    ]),
  );
}

function folders({ inventory }: ReportParts, link: Linker): string {
  const rows = inventory.folders;
  if (rows.length < 2) {
    return "";
  }
  const name = (folder: Total): string =>
    folder.name === "." ? "(the folder itself)" : link(folder.name, undefined, `${folder.name}/`);
  const shown = totals("Folder", rows.slice(0, FOLDER_ROWS), name);
  return rows.length > FOLDER_ROWS ? `${shown}\n\nAnd ${number(rows.length - FOLDER_ROWS)} more.` : shown;
}

function largestFiles({ outliers }: ReportParts, link: Linker): string {
  return table(
    [
      ["Lines", "right"],
      ["File", "left"],
      ["Language", "left"],
    ],
    outliers.largest
      .slice(0, TOP_ROWS)
      .map(({ path, size, name }) => [number(size), link(path), escapeText(name)]),
  );
}

function longestFunctions({ outliers }: ReportParts, link: Linker): string[] {
  const { count, long, longest } = outliers.functions;
  if (count === 0) {
    return [];
  }
  return [
    `${counted(count, "function")} with a name; ${number(long)} longer than ${LONG_FUNCTION} lines (${percent(long, count)}).`,
    table(
      [
        ["Lines", "right"],
        ["Function", "left"],
        ["Where", "left"],
      ],
      longest
        .slice(0, TOP_ROWS)
        .map(({ size, name, path, line }) => [number(size), escapeText(name), link(path, line)]),
    ),
  ];
}

function longestLines({ outliers }: ReportParts, link: Linker): string[] {
  const { files, longest } = outliers.longLines;
  if (files === 0) {
    return [];
  }
  return [
    `${counted(files, "file")} of code with lines of more than ${LONG_LINE} characters. The longest of each:`,
    table(
      [
        ["Characters", "right"],
        ["Where", "left"],
      ],
      longest.slice(0, TOP_ROWS).map(({ size, path, line }: Spot) => [number(size), link(path, line)]),
    ),
  ];
}

function todos({ todos: { count, first }, inventory }: ReportParts, link: Linker): string[] {
  if (count === 0) {
    return inventory.code.files + inventory.text.files > 0 ? ["None."] : [];
  }
  const shown = first.slice(0, TODO_ROWS);
  return [
    table(
      [
        ["Note", "left"],
        ["What", "left"],
        ["Where", "left"],
      ],
      shown.map(({ name, text, path, line }) => [name, escapeText(text), link(path, line)]),
    ),
    count > shown.length ? `And ${number(count - shown.length)} more.` : "",
  ];
}

const NOT_COMPARED = "Imports, comments, indentation and lines without words do not count.";

function repeated({ duplicates }: ReportParts, link: Linker): string[] {
  const { comparedLines, repeatedLines, pairs, same, sameCount, pairCount, capped } = duplicates;
  if (comparedLines === 0) {
    return [];
  }
  const place = ({ path, from, to }: Stretch): string => link(path, from, `${path}:${from}-${to}`);
  if (repeatedLines === 0) {
    return [
      `None: ${counted(comparedLines, "line")} were compared, in blocks of ${BLOCK_LINES}. ${NOT_COMPARED}`,
    ];
  }
  return [
    `${number(repeatedLines)} of ${counted(comparedLines, "line")} (${percent(repeatedLines, comparedLines)}) stand somewhere before, in blocks of ${BLOCK_LINES} lines or more. ${NOT_COMPARED}` +
      (capped ? " There is more code than could be compared; the last files are not in this." : ""),
    same.length === 0 ? "" : `Files with the same code (${counted(sameCount, "group")}):`,
    table(
      [
        ["Lines", "right"],
        ["Files", "right"],
        ["Which", "left"],
      ],
      same.map(({ lines, files, paths }) => [
        number(lines),
        number(files),
        paths.map((path) => link(path)).join(", ") + (files > paths.length ? ", …" : ""),
      ]),
    ),
    pairs.length === 0 ? "" : `Files that share blocks (${counted(pairCount, "pair")}):`,
    table(
      [
        ["Lines", "right"],
        ["Blocks", "right"],
        ["The largest", "left"],
        ["is also at", "left"],
      ],
      pairs
        .slice(0, PAIR_ROWS)
        .map(({ lines, blocks, first, again }) => [
          number(lines),
          number(blocks),
          place(first),
          place(again),
        ]),
    ),
  ];
}

function imported({ imports }: ReportParts): string[] {
  const counts = (title: string, rows: readonly (readonly [string, number])[]): string =>
    table(
      [
        ["Imported by", "right"],
        [title, "left"],
      ],
      rows.map(([name, files]) => [number(files), name]),
    );
  const own = imports.own.slice(0, TOP_ROWS);
  const packages = imports.packages.slice(0, TOP_ROWS);
  return [
    counts(
      "Package",
      packages.map(({ name, files }) => [escapeText(name), files]),
    ),
    counts(
      "Own module",
      own.map(({ name, files }) => [escapeText(name), files]),
    ),
  ];
}

function history({ history: known }: ReportParts, link: Linker): string[] {
  if (!known.found) {
    return [`None: ${escapeText(known.reason)}.`];
  }
  const { commits, capped, authors, authorCount, files, oldest, newest } = known;
  const day = (at: string): string => at.slice(0, 10);
  return [
    `${capped ? "The last " : ""}${counted(commits, "commit")} by ${counted(authorCount, "author")}, from ${day(oldest.at)} to ${day(newest.at)}. ` +
      `The last, ${escapeText(newest.id)} by ${escapeText(newest.author)}: ${escapeText(newest.subject)}`,
    table(
      [
        ["Commits", "right"],
        ["Author", "left"],
      ],
      authors.map(({ name, commits: count }) => [number(count), escapeText(name)]),
    ),
    table(
      [
        ["Commits", "right"],
        ["Changed file", "left"],
      ],
      files.map(({ path, commits: count }) => [number(count), link(path)]),
    ),
  ];
}

function leftOut({ files, inventory }: ReportParts): string {
  const { leftOut: listed } = files;
  const { binary, minified, unreadable } = inventory.leftOut;
  const lines = [
    listed.folders > 0
      ? `${counted(listed.folders, "folder")} of tools, packages and builds: ${names(listed.folderNames, listed.folders)}`
      : "",
    listed.unknownKind > 0
      ? `${counted(listed.unknownKind, "file")} of kinds that this report does not know: ${names(listed.unknownKinds, listed.unknownKind)}`
      : "",
    some(listed.generated + minified, "that tools wrote (lock files, minified code)"),
    some(listed.tooLarge, `larger than ${byteSize(MAX_FILE_BYTES)}`),
    some(binary, "of binary data"),
    listed.links > 0 ? counted(listed.links, "symbolic link") : "",
    listed.unreadable + unreadable > 0
      ? `${counted(listed.unreadable + unreadable, "file or folder", "files or folders")} that could not be read`
      : "",
  ];
  return lines
    .filter((line) => line !== "")
    .map((line) => `- ${line}`)
    .join("\n");
}

function names(tallies: readonly Tally[], all: number): string {
  const named = tallies.map(({ name, count }) => `${escapeText(name)} (${number(count)})`);
  const more = tallies.reduce((sum, { count }) => sum + count, 0) < all;
  return [...named, ...(more ? ["…"] : [])].join(", ");
}

function some(files: number, which: string): string {
  return files > 0 ? `${counted(files, "file")} ${which}` : "";
}
