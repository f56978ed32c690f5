/** Bytes of a page in which it may say its charset. */
const META_BYTES = 2048;

/** Text of bytes: by their mark, by what the server says, by what the page says, else UTF-8. */
export function decodeText(bytes: Uint8Array, contentType: string): string {
  const stated = /charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1];
  const head = Buffer.from(bytes.subarray(0, META_BYTES)).toString("latin1");
  const meta = isHtml(contentType)
    ? /<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]+)/i.exec(head)?.[1]
    : undefined;
  const label = markOf(bytes) ?? stated ?? meta ?? "utf-8";
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    // A charset that nobody knows.
    return new TextDecoder("utf-8").decode(bytes);
  }
}

function markOf([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xff && b === 0xfe) {
    return "utf-16le";
  }
  if (a === 0xfe && b === 0xff) {
    return "utf-16be";
  }
  return a === 0xef && b === 0xbb && c === 0xbf ? "utf-8" : undefined;
}

export function isHtml(contentType: string): boolean {
  return /^(?:text\/html|application\/xhtml\+xml)\b/i.test(contentType);
}

/** Types that are text to read. */
export function isText(contentType: string): boolean {
  return /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml|javascript|ecmascript|x-yaml|toml|x-ndjson|jsonl|sql|rtf)\b|application\/(?:xhtml\+xml|x-www-form-urlencoded))/i.test(
    contentType,
  );
}

/** Elements whose content nobody reads. */
const UNREAD: ReadonlySet<string> = new Set([
  "script",
  "style",
  "noscript",
  "template",
  "svg",
  "iframe",
  "object",
  "canvas",
  "head",
  "title",
  "select",
  "textarea",
]);

/** Elements that begin a line. */
const BLOCKS =
  /^(?:address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|p|pre|section|table|tr|ul)$/;

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  bull: "•",
  copy: "©",
  euro: "€",
  gt: ">",
  hellip: "…",
  laquo: "«",
  ldquo: "“",
  lsquo: "‘",
  lt: "<",
  mdash: "—",
  middot: "·",
  nbsp: " ",
  ndash: "–",
  quot: '"',
  raquo: "»",
  rdquo: "”",
  reg: "®",
  rsquo: "’",
  times: "×",
  trade: "™",
};

/** A page as text to read. */
export interface Page {
  readonly title: string | null;
  readonly text: string;
}

/**
 * The text of a page: headings with #, items with -, cells with |, a line for each block; scripts and styles left out.
 * Reads from left to right once, whatever the page holds.
 */
export function readPage(html: string): Page {
  const title = /<title[^>]{0,200}>([^<]{0,1000})/i.exec(html)?.[1];
  let text = "";
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    text += decodeEntities(html.slice(at, open < 0 ? html.length : open).replaceAll(/\s+/g, " "));
    if (open < 0) {
      break;
    }
    const tag = readTag(html, open);
    at = tag.end;
    text += markOfTag(tag);
    if (tag.opens && UNREAD.has(tag.name)) {
      at = endOf(html, tag.name, at);
    }
  }
  return {
    title: title === undefined ? null : decodeEntities(title).replaceAll(/\s+/g, " ").trim(),
    text: tidy(text),
  };
}

interface Tag {
  /** In small letters; empty for comments and declarations, "<" if it begins no tag. */
  readonly name: string;
  readonly opens: boolean;
  /** Where it goes on behind it. */
  readonly end: number;
}

function readTag(html: string, open: number): Tag {
  if (html.startsWith("<!--", open)) {
    const end = html.indexOf("-->", open + 4);
    return { name: "", opens: false, end: end < 0 ? html.length : end + 3 };
  }
  const [, slash, name] = /^<(\/?)([a-z][a-z0-9-]{0,30})/i.exec(html.slice(open, open + 40)) ?? [];
  if (name === undefined && !/^<[!?/]/.test(html.slice(open, open + 2))) {
    return { name: "<", opens: false, end: open + 1 };
  }
  const end = tagEnd(html, open);
  return { name: (name ?? "").toLowerCase(), opens: slash === "" && html[end - 2] !== "/", end };
}

/** The place behind the > that ends a tag: not one in an attribute's quotes. */
function tagEnd(html: string, open: number): number {
  let quote = "";
  for (let at = open + 1; at < html.length; at++) {
    const sign = html[at] ?? "";
    if (quote !== "") {
      quote = sign === quote ? "" : quote;
    } else if ((sign === '"' || sign === "'") && html[at - 1] === "=") {
      quote = sign;
    } else if (sign === ">") {
      return at + 1;
    }
  }
  return html.length;
}

/** The place of the tag that closes an element whose content is not read. */
function endOf(html: string, name: string, from: number): number {
  const close = new RegExp(`</${name}\\b`, "gi");
  close.lastIndex = from;
  return close.exec(html)?.index ?? html.length;
}

function markOfTag({ name, opens }: Tag): string {
  if (name === "<") {
    return name;
  }
  if (name === "li") {
    return opens ? "\n- " : "";
  }
  if (/^h[1-6]$/.test(name)) {
    return opens ? `\n\n${"#".repeat(Number(name[1]))} ` : "\n\n";
  }
  if (name === "td" || name === "th") {
    return opens ? " | " : "";
  }
  if (name === "p" || name === "pre" || name === "table") {
    return "\n\n";
  }
  return BLOCKS.test(name) ? "\n" : "";
}

function decodeEntities(text: string): string {
  return text.replaceAll(/&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,10});/gi, (whole, entity: string) => {
    if (!entity.startsWith("#")) {
      return NAMED[entity] ?? NAMED[entity.toLowerCase()] ?? whole;
    }
    const hex = /^#x/i.test(entity);
    const code = Number.parseInt(entity.slice(hex ? 2 : 1), hex ? 16 : 10);
    const valid = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return valid ? String.fromCodePoint(code) : "\ufffd";
  });
}

function tidy(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replaceAll(/[ \t\u00a0]+/g, " ").trim())
    .filter((line) => line !== "-" && line !== "|")
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}
