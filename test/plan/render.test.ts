import { describe, expect, test } from "vitest";
import { renderMermaid, renderTree, type TaskSpec } from "../../src/index.ts";

const tasks: TaskSpec[] = [
  { id: "analyze", description: "read the requirements" },
  {
    id: "end",
    description: "end",
    dependsOn: ["analyze"],
    subtasks: [
      { id: "server", description: "write the server", step: "implement" },
      { id: "page", description: 'write the "page"', step: "implement", args: { api: { $ref: "server" } } },
    ],
  },
  {
    id: "ship",
    description: "ship",
    dependsOn: [{ id: "end", reason: "order" }],
    decompose: true,
  },
];

describe("a rendered tree", () => {
  test("shows nesting, steps, dependencies and descriptions", () => {
    expect(renderTree(tasks)).toBe(
      [
        "├─ analyze · read the requirements",
        "├─ end ← analyze",
        "│  ├─ server [implement] · write the server",
        '│  └─ page [implement] ← server · write the "page"',
        "└─ ship (decomposed when reached) ← end",
      ].join("\n"),
    );
  });

  test("shows notes in place of descriptions", () => {
    const note = (id: string): string | undefined => (id === "analyze" ? "done in 2 s" : undefined);
    expect(renderTree(tasks, { note }).split("\n")[0]).toBe("├─ analyze done in 2 s");
  });

  test("of nothing is nothing", () => {
    expect(renderTree([])).toBe("");
  });
});

describe("a rendered Mermaid chart", () => {
  test("has a box for each task, a frame for each compound one and an arrow for each dependency", () => {
    expect(renderMermaid(tasks)).toBe(
      [
        "flowchart LR",
        '  t0["analyze"]',
        '  subgraph t1["end"]',
        '    t2["server"]',
        '    t3["page"]',
        "  end",
        '  t4{{"ship"}}',
        "  t0 --> t1",
        "  t2 --> t3",
        "  t1 -.-> t4",
      ].join("\n"),
    );
  });

  test("escapes quotes in notes", () => {
    expect(renderMermaid([{ id: "a", description: "" }], { note: () => 'say "hi"' })).toContain(
      't0["a<br/>say #quot;hi#quot;"]',
    );
  });
});
