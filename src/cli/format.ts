import { styleText } from "node:util";
import type { Usage } from "../index.ts";

type Style = Parameters<typeof styleText>[0];

/** Colours text where the stream is a terminal and NO_COLOR is not set. */
export type Paint = (style: Style, text: string) => string;

export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const colours = stream.isTTY === true && !process.env.NO_COLOR;
  return colours ? (style, text) => styleText(style, text) : (_, text) => text;
}

/** 850 ms, 4.2 s, 3 min 5 s, 2 h 4 min. */
export function formatDuration(ms: number): string {
  if (ms < 1000) {
    return `${Math.max(0, Math.round(ms))} ms`;
  }
  if (ms < 60_000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60
    ? `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What calls of models used: "3 model calls, 12,345 tokens in, 678 out, $0.0123". */
export function formatUsage({ calls, inputTokens, outputTokens, costUsd, estimated }: Usage): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const about = estimated ? "about " : "";
  const cost = costUsd === null ? "at a price that is not known" : `${about}${formatUsd(costUsd)}`;
  return `${count(calls)} model ${calls === 1 ? "call" : "calls"}, ${about}${count(inputTokens)} tokens in, ${count(outputTokens)} out, ${cost}`;
}

/** $12.35, $0.0123; of less than a cent the first two digits that say something. */
function formatUsd(usd: number): string {
  const digits = usd >= 1 || usd === 0 ? 2 : Math.min(9, Math.max(4, 1 - Math.floor(Math.log10(usd))));
  return `$${usd.toFixed(digits)}`;
}

/** What others wrote is shown, and does nothing to the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "\ufffd");
}

/** Shortens a text to one line of at most that many characters. */
export function shorten(text: string, length: number): string {
  const line = printable(text.replaceAll(/\s+/g, " ").trim());
  return line.length <= length ? line : `${line.slice(0, Math.max(0, length - 1))}…`;
}

/** Columns padded to their widest cell. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A bar of that many cells, filled to the fraction. */
export function formatBar(fraction: number, cells: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * cells);
  return "█".repeat(filled) + "░".repeat(cells - filled);
}
