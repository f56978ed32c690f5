import type { AgentDefinition } from "./agent-definition.ts";
import type { Decomposer } from "./goal.ts";
import type { StepMap } from "./step.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** What a client can be given to run: the default export of an app module. */
export interface App {
  readonly steps?: StepMap | undefined;
  readonly decomposer?: Decomposer | undefined;
  readonly workflows?: readonly AnyWorkflow[] | undefined;
  /** Agents by name, whose messages the client handles. */
  readonly agents?: Readonly<Record<string, AgentDefinition>> | undefined;
}

const APP: unique symbol = Symbol.for("goalpost.app") as never;

/** Marks an object as an app; `goalpost run --app FILE` takes a module whose default export is one. */
export function defineApp<const A extends App>(app: A): A {
  return { ...app, [APP]: true };
}

/** True for what {@link defineApp} made, in this or another copy of the library. */
export function isApp(value: unknown): value is App {
  return typeof value === "object" && value !== null && APP in value;
}
