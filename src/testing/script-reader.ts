import { ModelError, type ModelRequest } from "../core/model.ts";
import { GoalpostError } from "../index.ts";
import {
  always,
  fits,
  isRule,
  type Match,
  type Reply,
  type Responder,
  type Script,
  type ScriptedCall,
  type ScriptRule,
} from "./script.ts";

type Answer = Reply | Responder;

/** Characters of a prompt that an error shows. */
const EXCERPT_LENGTH = 120;

/** Knows which answers of a script were given. */
export class ScriptReader {
  readonly #list: readonly Answer[];
  readonly #rules: readonly { readonly rule: ScriptRule; given: number }[];
  readonly #endless: readonly ScriptRule[];
  readonly #unexpected: number[] = [];
  #given = 0;

  constructor(script: Script) {
    const entries = typeof script === "function" ? [] : script;
    if (!Array.isArray(entries)) {
      throw new GoalpostError(
        "INVALID_INPUT",
        `a script is a list of answers or a function of (request, call), not ${typeof script}`,
      );
    }
    this.#list = entries.filter((entry): entry is Answer => !isRule(entry));
    const rules = entries.filter(isRule);
    this.#rules = rules.filter(({ endless }) => !endless).map((rule) => ({ rule, given: 0 }));
    this.#endless = typeof script === "function" ? [always(script)] : rules.filter(({ endless }) => endless);
  }

  /** The answer for a call; it is given away. @throws ModelError if there is none */
  next(call: ScriptedCall): Answer {
    const { request } = call;
    for (const state of this.#rules) {
      const answer = state.rule.answers[state.given];
      if (answer !== undefined && fits(state.rule.match, request)) {
        state.given += 1;
        return answer;
      }
    }
    const answer = this.#list[this.#given];
    if (answer !== undefined) {
      this.#given += 1;
      return answer;
    }
    const endless = this.#endless.find(({ match }) => fits(match, request))?.answers[0];
    if (endless !== undefined) {
      return endless;
    }
    this.#unexpected.push(call.number);
    throw new ModelError("bad_request", this.#unexpectedCall(call));
  }

  /** What was not as the script says. */
  problems(): string[] {
    const left = this.#left();
    const unexpected = this.#unexpected.map((number) => `call ${number} was not expected`);
    return [...(left.length > 0 ? [`these were not used: ${left.join(", ")}`] : []), ...unexpected];
  }

  #left(): string[] {
    const list = this.#list
      .map((answer, index) => `answer ${index + 1} of ${this.#list.length} (${describe(answer)})`)
      .slice(this.#given);
    const rules = this.#rules
      .filter(({ rule, given }) => given < rule.answers.length)
      .map(
        ({ rule, given }) =>
          `${rule.answers.length - given} of ${rule.answers.length} of when(${describeMatch(rule.match)})`,
      );
    return [...list, ...rules];
  }

  #unexpectedCall({ number, request }: ScriptedCall): string {
    const left = [
      ...this.#left(),
      ...this.#endless.map(({ match }) => `whenever(${describeMatch(match)})`),
    ].join(", ");
    const what =
      left === "" ? "every answer of the script is given" : `what is left does not fit it: ${left}`;
    return (
      `scripted model: call ${number} was not expected; ${what}. ` +
      `It asks ${request.model}: ${excerpt(lastWords(request))}`
    );
  }
}

function describe(answer: Answer): string {
  return typeof answer === "function"
    ? `function ${answer.name}`.trimEnd()
    : excerpt(answer instanceof Error ? answer.name : JSON.stringify(answer), 40);
}

function describeMatch(match: Match): string {
  return typeof match === "string"
    ? JSON.stringify(match)
    : match instanceof RegExp
      ? String(match)
      : `function ${match.name}`.trimEnd();
}

function lastWords({ messages }: ModelRequest): string {
  return messages.findLast(({ content }) => content.trim() !== "")?.content ?? "";
}

function excerpt(text: string, length = EXCERPT_LENGTH): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return JSON.stringify(line.length <= length ? line : `${line.slice(0, length - 1)}…`);
}
