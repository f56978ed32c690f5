import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeDefaultApp } from "../../src/cli/default-app.ts";
import { findFolder, reportTasks } from "../../src/cli/report-plan.ts";
import { reportSteps } from "../../src/cli/report-steps.ts";
import { type DecomposeContext, Goalpost, isApp, silentLogger, type TaskSpec } from "../../src/index.ts";
import { makeDirectory } from "../contract/backends.ts";

const defaultApp = makeDefaultApp();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "goalpost-app-"));
  await mkdir(join(folder, "empty"));
  await mkdir(join(folder, "code", "lib"), { recursive: true });
  await mkdir(join(folder, "many"));
  const shared = Array.from(
    { length: 10 },
    (_, index) => `export const value${index} = compute(${index}, "x");`,
  );
  await writeFile(
    join(folder, "code", "a.ts"),
    ["// TODO: a | b", 'import "./lib/b.ts";', ...shared].join("\n"),
  );
  await writeFile(join(folder, "code", "lib", "b.ts"), [...shared, "function last() {", "}"].join("\n"));
  await writeFile(join(folder, "code", "c.py"), 'def f():\n    """Says."""\n    return 1\n');
  await writeFile(join(folder, "code", "README.md"), "# Hello\n");
  await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      writeFile(join(folder, "many", `${index}.ts`), `f(${index});\n`),
    ),
  );
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function plan(text: string): Promise<readonly TaskSpec[]> {
  const ctx: DecomposeContext = {
    steps: [],
    limits: { maxDepth: 5, maxTasks: 100, maxWidth: 100 },
    depth: 0,
    outputs: {},
    signal: new AbortController().signal,
    log: silentLogger,
    llm: () => Promise.reject(new Error("no model is called")),
  };
  const tasks = await defaultApp.decomposer?.({ text }, ctx);
  return tasks && "tasks" in tasks ? tasks.tasks : (tasks ?? []);
}

function partsOf(tasks: readonly TaskSpec[]): number | undefined {
  return tasks.find(({ id }) => id === "measure")?.subtasks?.length;
}

describe("the default app", () => {
  test("is one that the command line can run", () => {
    expect(isApp(defaultApp)).toBe(true);
  });

  test("plans as many parts as the files are worth", async () => {
    expect(partsOf(await plan(`Report on the code in ${join(folder, "code")}`))).toBe(1);
    expect(partsOf(await plan(`report on ${join(folder, "many")}`))).toBe(8);
    expect(partsOf(await plan(`report on ${join(folder, "empty")}`))).toBe(1);
  });

  test("reports on the current folder if none is named", async () => {
    const [files] = await plan("Report on the code");
    expect(files?.args).toMatchObject({ folder: process.cwd() });
  });

  test("says of a folder that does not exist where it was looked for, and does not try again", async () => {
    await expect(plan("report on the code in ./no/such/folder")).rejects.toMatchObject({
      code: "INVALID_INPUT",
      retryable: false,
      message: expect.stringContaining(resolve("no/such/folder")),
    });
    await expect(plan(`report on ${join(folder, "code", "a.ts")}`)).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining("is a file"),
    });
  });

  test("says of a goal that it does not know which it knows and how to teach it others", async () => {
    const error = await plan("Build a house").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "DECOMPOSER_FAILED", retryable: false });
    const { message } = error as Error;
    expect(message).toContain('"Build a house"');
    expect(message).toContain("report on the code in {dir}");
    expect(message).toContain("--app FILE");
    expect(message).toContain("export default defineApp({ steps, decomposer })");
    expect(message).toContain("LLM");
  });
});

describe("naming a folder", () => {
  test("quotes, a full stop behind it and words for here are understood", async () => {
    const code = join(folder, "code");
    for (const text of [code, ` ${code}/ `, `"${code}"`, `${code}.`, `'${code}'.`]) {
      expect(await findFolder(text)).toBe(code);
    }
    expect(await findFolder("this folder")).toBe(process.cwd());
    expect(await findFolder(".")).toBe(process.cwd());
    expect(await findFolder("..")).toBe(resolve(".."));
  });
});

describe("a report", () => {
  async function make(name: string, parts: number): Promise<{ page: string; output: unknown }> {
    const report = join(folder, `${name}.md`);
    const directory = join(folder, `${name}.db`);
    makeDirectory(directory);
    await using gp = await Goalpost.open({ database: `pglite:${directory}`, logger: silentLogger });
    const tasks = reportTasks({ folder: join(folder, name), report, parts });
    const { output } = await gp.executeGraph(tasks, reportSteps);
    return { page: await readFile(report, "utf8"), output: output.report };
  }

  test("tells what is there, and how it was made", async () => {
    const { page, output } = await make("code", 2);
    expect(output).toMatchObject({
      path: join(folder, "code.md"),
      summary: {
        files: 3,
        lines: 27,
        codeLines: 25,
        commentLines: 2,
        mainLanguage: "TypeScript",
        largestFile: "a.ts",
        functions: 2,
        longFunctions: 0,
        todos: 1,
        repeatedLines: 10,
        capped: false,
      },
    });
    expect(page).toMatch(
      /^# Code report: code\n\n\*\*code\*\* holds 3 files of code in 2 languages, 27 lines/,
    );
    expect(page).toContain("| TypeScript | 2 | 24 | 23 | 1 | 0 |");
    expect(page).toContain("| Python | 1 | 3 | 2 | 1 | 0 |");
    expect(page).toContain("| TODO | a \\| b | [a.ts:1](code/a.ts#L1) |");
    expect(page).toContain("| 10 | 1 | [a.ts:3-12](code/a.ts#L3) | [lib/b.ts:1-10](code/lib/b.ts#L1) |");
    expect(page).toContain("| 3 | f | [c.py:1](code/c.py#L1) |");
    expect(page).toContain("| 1 | lib/b |");
    expect(page).toMatch(/```mermaid\nflowchart LR\n {2}t0\["files<br\/>\d+ ms"\]/);
    expect(page).toMatch(/subgraph t1\["measure<br\/>\d+ ms"\]\n {4}t2\["measure\.1<br\/>\d+ ms"\]/);
    expect(page).toMatch(/\| ↳ measure\.2 \| Measure part 2 of 2 \| \d+ ms \| \d+ ms \|/);
  });

  test("on an empty folder says that there is nothing", async () => {
    const { page, output } = await make("empty", 1);
    expect(output).toMatchObject({ summary: { files: 0, mainLanguage: null } });
    expect(page).toContain("**empty** has no files to report on.");
    expect(page).not.toContain("## Languages");
  });
});
