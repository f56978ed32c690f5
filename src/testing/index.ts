/**
 * Tools for tests of what is built on goalpost: a client in memory that is driven by hand, a clock that stands still,
 * models that answer by a script, and cassettes of real HTTP traffic.
 * @module
 */
export { type Cassette, cassette } from "./cassette.ts";
export type { CassetteRequest } from "./cassette-key.ts";
export type { CassetteMode, CassetteOptions } from "./cassette-options.ts";
export { FAKE_START, FakeClock } from "./fake-clock.ts";
export {
  always,
  type Match,
  type Responder,
  type Script,
  type ScriptEntry,
  type ScriptedAnswer,
  type ScriptedCall,
  type ScriptRule,
  when,
  whenever,
} from "./script.ts";
export { type ScriptedModel, type ScriptedModelOptions, scriptedModel } from "./scripted-model.ts";
export { openTestGoalpost, type TestGoalpost, type TestGoalpostOptions } from "./test-goalpost.ts";
