import { basename } from "node:path";
import { howItWasMade, type PageFacts } from "./report-making.ts";
import { counted, escapeText, type Linker, linker, number, percent } from "./report-markdown.ts";
import { LONG_FUNCTION } from "./report-measure.ts";
import type { ReportParts } from "./report-parts.ts";
import { sections } from "./report-sections.ts";

/** The whole report as Markdown. */
export function makePage(parts: ReportParts, facts: PageFacts): string {
  const { folder, report } = parts.plan;
  const title = escapeText(basename(folder) || folder);
  const link = linker(folder, report);
  const blocks = [
    `# Code report: ${title}`,
    summaryText(parts, title, link),
    ...(parts.files.capped ? [CAPPED] : []),
    ...sections(parts, link),
    ...howItWasMade(parts, facts),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

const CAPPED =
  "**Not everything was read:** there are more files than one report takes. Those nearest to the top of the folder were kept.";

/** The facts in one paragraph. */
function summaryText(parts: ReportParts, title: string, link: Linker): string {
  const { inventory, outliers, todos, duplicates } = parts;
  const { code, text } = inventory;
  if (code.files === 0) {
    return noCode(parts, title);
  }
  const languages = inventory.languages.filter(({ family }) => family === "code");
  const [main] = languages;
  const [largest] = outliers.largest;
  const blank = code.lines - code.code - code.comments;
  const sentences = [
    `**${title}** holds ${counted(code.files, "file")} of code in ${counted(languages.length, "language")}, ` +
      `${counted(code.lines, "line")} in all: ${number(code.code)} of code (${percent(code.code, code.lines)}), ` +
      `${number(code.comments)} of comments (${percent(code.comments, code.lines)}) and ${number(blank)} blank.`,
    main && languages.length > 1 ? `${percent(main.code, code.code)} of the code is ${main.name}.` : "",
    largest && code.files > 1
      ? `The largest file is ${link(largest.path)} with ${counted(largest.size, "line")}.`
      : "",
    outliers.functions.count > 0
      ? `Of ${counted(outliers.functions.count, "function")} with a name, ${functionsText(outliers.functions.long)} longer than ${LONG_FUNCTION} lines.`
      : "",
    todos.count === 1
      ? "One note in a comment says what is left to do."
      : `${todos.count === 0 ? "No notes" : `${number(todos.count)} notes`} in comments say what is left to do.`,
    duplicates.repeatedLines === 0
      ? "No code stands in more than one place."
      : `${percent(duplicates.repeatedLines, duplicates.comparedLines)} of the code stands in more than one place.`,
    historyText(parts),
    text.files > 0 ? `Beside the code there ${text.files === 1 ? "is" : "are"} ${proseAndData(parts)}.` : "",
  ];
  return sentences.filter((sentence) => sentence !== "").join(" ");
}

function functionsText(long: number): string {
  return long < 2 ? `${long === 0 ? "none" : "one"} is` : `${number(long)} are`;
}

function noCode(parts: ReportParts, title: string): string {
  const { text } = parts.inventory;
  const { unknownKind } = parts.files.leftOut;
  const others = [
    ...(text.files > 0 ? [proseAndData(parts)] : []),
    ...(unknownKind > 0 ? [`${counted(unknownKind, "file")} of other kinds`] : []),
  ];
  return others.length === 0
    ? `**${title}** has no files to report on.`
    : `**${title}** holds no code in a language that this report knows, but ${others.join(" and ")}.`;
}

function proseAndData({ inventory }: ReportParts): string {
  const names = inventory.languages.filter(({ family }) => family === "text").map(({ name }) => name);
  return `${counted(inventory.text.files, "file")} of prose and data (${names.join(", ")})`;
}

function historyText({ history }: ReportParts): string {
  if (!history.found) {
    return "";
  }
  const { commits, capped, authorCount, newest } = history;
  return `Git knows ${capped ? "more than " : ""}${counted(commits, "commit")} by ${counted(authorCount, "author")}, the last of ${newest.at.slice(0, 10)}.`;
}
