import { posix } from "node:path";
import type { ScannedLine } from "./report-scan.ts";

/** What a file imports, each thing once. */
export interface FoundImports {
  /** Files of its own folder tree, without their extensions. */
  readonly own: readonly string[];
  /** Everything else, by the name of the package. */
  readonly packages: readonly string[];
}

/** Finds what a file imports by name; what is computed at run time is not seen. */
export function findImports(
  path: string,
  lines: readonly ScannedLine[],
  dialect: "javascript" | "python",
): FoundImports {
  const names = lines.flatMap((line) => (dialect === "python" ? pythonNames(line) : javascriptNames(line)));
  const own = new Set<string>();
  const packages = new Set<string>();
  for (const name of names) {
    if (!name.startsWith(".")) {
      packages.add(dialect === "python" ? (name.split(".")[0] ?? name) : packageOf(name));
      continue;
    }
    const target = dialect === "python" ? pythonTarget(path, name) : javascriptTarget(path, name);
    if (!target.startsWith("..")) {
      own.add(target);
    }
  }
  return { own: [...own].sort(), packages: [...packages].sort() };
}

/** Strings are blanked in `code`: it says where a name stands, and the text itself what it is. */
const JAVASCRIPT_IMPORT = /(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*(["'])( +)\1/g;

function javascriptNames({ code, text }: ScannedLine): string[] {
  if (!code.includes("import") && !code.includes("from") && !code.includes("require")) {
    return [];
  }
  return [...code.matchAll(JAVASCRIPT_IMPORT)].map((match) => {
    const end = match.index + match[0].length - 1;
    return text.slice(end - (match[2]?.length ?? 0), end);
  });
}

function pythonNames({ code }: ScannedLine): string[] {
  const from = /^\s*from\s+(\.*[\w.]*)\s+import\s+([\w, ]*)/.exec(code);
  if (from) {
    const [, base = "", names = ""] = from;
    // `from . import a, b` names modules of the package.
    return /^\.+$/.test(base) ? splitNames(names).map((name) => base + name) : [base];
  }
  const plain = /^\s*import\s+([\w., ]+)/.exec(code);
  return plain?.[1] ? splitNames(plain[1]) : [];
}

function splitNames(names: string): string[] {
  return names
    .split(",")
    .map((name) => name.trim().split(/\s+/)[0] ?? "")
    .filter((name) => name !== "");
}

function packageOf(name: string): string {
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}

function javascriptTarget(path: string, name: string): string {
  return posix
    .join(posix.dirname(path), name)
    .replace(/\.(?:d\.)?[cm]?[jt]sx?$/, "")
    .replace(/\/index$/, "");
}

function pythonTarget(path: string, name: string): string {
  const dots = /^\.+/.exec(name)?.[0].length ?? 1;
  const up = "../".repeat(dots - 1);
  return posix.join(posix.dirname(path), up, name.slice(dots).replaceAll(".", "/"));
}
