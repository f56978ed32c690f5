import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished, vi } from "vitest";

const fixture = new URL("../fixtures/fire-worker.ts", import.meta.url).pathname;

/** A worker in a process of its own. */
export class ChildWorker {
  readonly id: string = randomUUID();
  /** What it logged, in order. */
  readonly log: { level: string; message: string }[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(url: string, env: Readonly<Record<string, string>>) {
    this.#process = spawn(process.execPath, ["--import", "jiti/register", fixture, url, this.id], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#ended = once(this.#process, "close");
    if (this.#process.stdout) {
      createInterface(this.#process.stdout).on("line", (line) => this.log.push(JSON.parse(line)));
    }
  }

  /** Starts one; it is killed when the test is over. */
  static async start(url: string, env: Readonly<Record<string, string>> = {}): Promise<ChildWorker> {
    const child = new ChildWorker(url, env);
    onTestFinished(() => child.kill());
    await vi.waitFor(
      () => child.logged("started") || Promise.reject(new Error("the worker does not start")),
      {
        timeout: 30_000,
        interval: 10,
      },
    );
    return child;
  }

  /** How often it logged the message. */
  logged(message: string): number {
    return this.log.filter((line) => line.message === message).length;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }
}
