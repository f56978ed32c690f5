/** What comments and strings look like: all that is needed to tell code from comment. */
export interface Syntax {
  /** What begins a comment that ends with its line. */
  readonly lineComments?: readonly string[];
  /** Such a comment begins only at the start of a line or after white space, as in a shell. */
  readonly spacedComments?: boolean;
  readonly blockComments?: readonly (readonly [begin: string, end: string])[];
  /** Quotes of strings that end with their line at the latest. */
  readonly quotes?: readonly string[];
  /** Quotes of strings that can go on over lines. */
  readonly longQuotes?: readonly string[];
  /** A long string that is a statement of its own is a comment. */
  readonly docstrings?: boolean;
  /** Has `templates with ${code}`. */
  readonly templates?: boolean;
  /** Has /regular expressions/. */
  readonly regExps?: boolean;
}

/** A language that reports know. */
export interface Language {
  readonly name: string;
  /** Prose and data are counted, but are not compared, ranked or called code. */
  readonly family: "code" | "text";
  readonly syntax: Syntax;
  /** Whose functions and imports can be found. */
  readonly dialect?: "javascript" | "python";
  /** Declares functions, but has none. */
  readonly declarations?: boolean;
}

const C_LIKE: Syntax = { lineComments: ["//"], blockComments: [["/*", "*/"]], quotes: ['"', "'"] };
const HASH: Syntax = { lineComments: ["#"], spacedComments: true, quotes: ['"', "'"] };
const JAVASCRIPT: Syntax = { ...C_LIKE, templates: true, regExps: true };
const MARKUP: Syntax = { blockComments: [["<!--", "-->"]] };

const LANGUAGES: readonly (Language & { readonly extensions: readonly string[] })[] = [
  {
    name: "TypeScript",
    family: "code",
    dialect: "javascript",
    syntax: JAVASCRIPT,
    extensions: ["ts", "tsx", "mts", "cts"],
  },
  {
    name: "TypeScript declarations",
    family: "code",
    dialect: "javascript",
    declarations: true,
    syntax: JAVASCRIPT,
    extensions: ["d.ts", "d.mts", "d.cts"],
  },
  {
    name: "JavaScript",
    family: "code",
    dialect: "javascript",
    syntax: JAVASCRIPT,
    extensions: ["js", "jsx", "mjs", "cjs"],
  },
  {
    name: "Python",
    family: "code",
    dialect: "python",
    syntax: { lineComments: ["#"], quotes: ['"', "'"], longQuotes: ['"""', "'''"], docstrings: true },
    extensions: ["py", "pyi", "pyw"],
  },
  { name: "Go", family: "code", syntax: { ...C_LIKE, longQuotes: ["`"] }, extensions: ["go"] },
  { name: "Rust", family: "code", syntax: { ...C_LIKE, quotes: ['"'] }, extensions: ["rs"] },
  { name: "Java", family: "code", syntax: C_LIKE, extensions: ["java"] },
  { name: "Kotlin", family: "code", syntax: { ...C_LIKE, longQuotes: ['"""'] }, extensions: ["kt", "kts"] },
  { name: "Scala", family: "code", syntax: { ...C_LIKE, longQuotes: ['"""'] }, extensions: ["scala"] },
  { name: "Swift", family: "code", syntax: { ...C_LIKE, longQuotes: ['"""'] }, extensions: ["swift"] },
  { name: "C", family: "code", syntax: C_LIKE, extensions: ["c", "h"] },
  { name: "C++", family: "code", syntax: C_LIKE, extensions: ["cc", "cpp", "cxx", "hh", "hpp"] },
  { name: "C#", family: "code", syntax: C_LIKE, extensions: ["cs"] },
  { name: "PHP", family: "code", syntax: { ...C_LIKE, lineComments: ["//", "#"] }, extensions: ["php"] },
  { name: "Ruby", family: "code", syntax: HASH, extensions: ["rb", "rake"] },
  { name: "Shell", family: "code", syntax: HASH, extensions: ["sh", "bash", "zsh"] },
  {
    name: "SQL",
    family: "code",
    syntax: { lineComments: ["--"], blockComments: [["/*", "*/"]], quotes: ["'"] },
    extensions: ["sql"],
  },
  {
    name: "CSS",
    family: "code",
    syntax: { blockComments: [["/*", "*/"]], quotes: ['"', "'"] },
    extensions: ["css"],
  },
  { name: "SCSS", family: "code", syntax: C_LIKE, extensions: ["scss", "less"] },
  { name: "HTML", family: "code", syntax: MARKUP, extensions: ["html", "htm"] },
  { name: "Vue", family: "code", syntax: { ...MARKUP, quotes: ['"'] }, extensions: ["vue"] },
  { name: "Svelte", family: "code", syntax: { ...MARKUP, quotes: ['"'] }, extensions: ["svelte"] },
  { name: "Markdown", family: "text", syntax: MARKUP, extensions: ["md", "mdx", "markdown"] },
  { name: "JSON", family: "text", syntax: {}, extensions: ["json"] },
  { name: "JSON", family: "text", syntax: C_LIKE, extensions: ["jsonc", "json5"] },
  { name: "YAML", family: "text", syntax: HASH, extensions: ["yaml", "yml"] },
  { name: "TOML", family: "text", syntax: HASH, extensions: ["toml"] },
  { name: "XML", family: "text", syntax: MARKUP, extensions: ["xml", "svg"] },
];

const BY_EXTENSION: ReadonlyMap<string, Language> = new Map(
  LANGUAGES.flatMap((language) => language.extensions.map((extension) => [extension, language] as const)),
);

/** The language of a file by its name; undefined if reports do not know it. */
export function languageOf(path: string): Language | undefined {
  const [, ...extensions] = path.slice(path.lastIndexOf("/") + 1).split(".");
  const last = extensions.at(-1)?.toLowerCase();
  if (last === undefined) {
    return undefined;
  }
  return BY_EXTENSION.get(`${extensions.at(-2)?.toLowerCase()}.${last}`) ?? BY_EXTENSION.get(last);
}

const GENERATED = /^(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml)$|[.-]min\.(?:js|mjs|css)$/i;

/** True for files that tools write: lock files and minified code. */
export function isGenerated(path: string): boolean {
  return GENERATED.test(path.slice(path.lastIndexOf("/") + 1));
}
