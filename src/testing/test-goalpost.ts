import type { ChatModels } from "../core/model.ts";
import { Goalpost, type OpenOptions, silentLogger, type WorkersOptions } from "../index.ts";
import { FakeClock } from "./fake-clock.ts";
import type { Script } from "./script.ts";
import { scriptedModel } from "./scripted-model.ts";

type LlmOptions = NonNullable<OpenOptions["llm"]>;

/** How {@link openTestGoalpost} opens a client. */
export interface TestGoalpostOptions extends Omit<OpenOptions, "clock" | "workers"> {
  /** Default: a new one, at {@link FAKE_START}. */
  readonly clock?: FakeClock | undefined;
  readonly workers?: Omit<WorkersOptions, "start"> | undefined;
  /**
   * What answers every request to a model: a {@link scriptedModel}, its script (the delays in it pass by the test's
   * clock), or any `ChatModels`. Its models are called simple, medium and complex, as what "auto" chooses them for, and
   * cost 1 US dollar per million input tokens and 4 per million output tokens. Default: no model can be called.
   * Providers, models and prices of `llm` are added to it.
   */
  readonly model?: ChatModels | Script | undefined;
}

/** A client that does nothing by itself. */
export interface TestGoalpost extends AsyncDisposable {
  readonly gp: Goalpost;
  readonly clock: FakeClock;
  /** Carries out what is ready now; see `Goalpost.tick`. Retries become due when the clock is advanced. */
  tick(): Promise<number>;
  /** Ticks until nothing is ready. */
  settle(): Promise<void>;
  /** Closes the client; steps that are still under way are aborted and put back. */
  close(): Promise<void>;
}

/**
 * Opens a client for tests: on "memory:" unless told otherwise, with a clock that only the test moves, a silent logger,
 * a worker that only ticks, and no model but the given one, whatever keys the environment holds.
 *
 * @example
 * const model = scriptedModel(["Hello."]);
 * await using test = await openTestGoalpost({ model });
 * const handle = await test.gp.start(greet, { name: "Ada" });
 * await test.settle();
 * expect((await handle.result()).output).toEqual({ greet: "Hello." });
 * model.assertComplete();
 */
export async function openTestGoalpost(options: TestGoalpostOptions = {}): Promise<TestGoalpost> {
  const { model, llm, clock = new FakeClock(), ...others } = options;
  const gp = await Goalpost.open({
    database: "memory:",
    logger: silentLogger,
    ...others,
    llm: withModel(model, llm, clock),
    clock,
    workers: { ...options.workers, start: false },
  });
  const tick = (): Promise<number> => gp.tick();
  const close = (): Promise<void> => {
    const closed = gp.close({ graceMs: 0 });
    // The grace is over at once: nobody else moves the clock.
    clock.advance(0);
    return closed;
  };
  return {
    gp,
    clock,
    tick,
    async settle() {
      while ((await tick()) > 0) {
        // What was carried out may have made more ready.
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const PRICE = { input: 1, output: 4 };

/** Tests call no vendor that they did not name. */
const NO_VENDORS = { openai: false, anthropic: false, gemini: false } as const;

function withModel(
  given: TestGoalpostOptions["model"],
  llm: LlmOptions | undefined,
  clock: FakeClock,
): LlmOptions {
  if (given === undefined) {
    return { ...llm, providers: { ...NO_VENDORS, ...llm?.providers } };
  }
  const model = isChatModels(given) ? given : scriptedModel(given, { clock });
  const { provider } = model;
  return {
    ...llm,
    providers: { ...NO_VENDORS, [provider]: model, ...llm?.providers },
    models: {
      simple: [{ provider, model: "simple" }],
      medium: [{ provider, model: "medium" }],
      complex: [{ provider, model: "complex" }],
      ...llm?.models,
    },
    prices: {
      [`${provider}/simple`]: PRICE,
      [`${provider}/medium`]: PRICE,
      [`${provider}/complex`]: PRICE,
      ...llm?.prices,
    },
  };
}

function isChatModels(model: ChatModels | Script): model is ChatModels {
  return "generate" in model;
}
