import { dirname, join, relative, sep } from "node:path";

/**
 * A Markdown table; nothing, if it has no rows. Cells are Markdown: what comes from outside goes through
 * {@link escapeText} first.
 */
export function table(
  columns: readonly (readonly [title: string, align: "left" | "right"])[],
  rows: readonly (readonly string[])[],
): string {
  if (rows.length === 0) {
    return "";
  }
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(([title]) => title)),
    line(columns.map(([, align]) => (align === "right" ? "---:" : "---"))),
    ...rows.map(line),
  ].join("\n");
}

/** Text as Markdown that shows just that text, in a table too: on one line, nothing in it is mark-up. */
export function escapeText(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/[\\`*[\]<>|~$]/g, "\\$&")
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\_")
    .replaceAll(/&(?=#?\w+;)/g, "\\&");
}

/** Links to files of a folder, as seen from where the report is. */
export type Linker = (path: string, line?: number, text?: string) => string;

/** Makes links from a report to the files of a folder. */
export function linker(folder: string, report: string): Linker {
  return (path, line, text) => {
    const target = relative(dirname(report), join(folder, path)).split(sep).map(encode).join("/");
    const shown = text ?? (line === undefined ? path : `${path}:${line}`);
    return `[${escapeText(shown)}](${target}${line === undefined ? "" : `#L${line}`})`;
  };
}

/** Round brackets would end a link, and half a surrogate pair cannot be encoded. */
function encode(part: string): string {
  const wellFormed = part.replaceAll(/\p{Surrogate}/gu, "\ufffd");
  return encodeURIComponent(wellFormed).replaceAll("(", "%28").replaceAll(")", "%29");
}

/** 12,345 */
export function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 file`, `12,345 files`. */
export function counted(value: number, one: string, many: string = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** 43 %, 4.3 %; 0 % only for nothing, and 100 % only for all. */
export function percent(part: number, whole: number): string {
  const value = whole === 0 ? 0 : (100 * part) / whole;
  if (value > 99.5 && part < whole) {
    return "over 99 %";
  }
  if (value === 0 || value >= 10) {
    return `${Math.round(value)} %`;
  }
  return value < 0.1 ? "under 0.1 %" : `${value.toFixed(1)} %`;
}

/** 12 kB, 3.4 MB. */
export function byteSize(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
