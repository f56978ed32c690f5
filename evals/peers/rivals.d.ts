// The part of each system that is used here. These declarations come before the packages' own, so that the folder is
// type-checked the same whether the packages are installed or not.

declare module "@dbos-inc/dbos-sdk" {
  export const DBOS: {
    setConfig(config: {
      name: string;
      systemDatabaseUrl: string;
      systemDatabasePoolSize: number;
      logLevel: string;
    }): void;
    registerWorkflow<A extends unknown[], R>(
      workflow: (...args: A) => Promise<R>,
      config: { name: string },
    ): (...args: A) => Promise<R>;
    runStep<R>(step: () => Promise<R>, config: { name: string }): Promise<R>;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
  };
}

declare module "absurd-sdk" {
  export class Absurd {
    constructor(options: { db: object; queueName: string });
    createQueue(name: string): Promise<void>;
    registerTask<P, R>(
      options: { name: string },
      handler: (params: P, ctx: { step<T>(name: string, step: () => Promise<T>): Promise<T> }) => Promise<R>,
    ): void;
    startWorker(options: {
      concurrency: number;
      /** Seconds. */
      pollInterval: number;
    }): Promise<{ close(): Promise<void> }>;
    spawn<P>(name: string, params: P): Promise<unknown>;
  }
}

declare module "graphile-worker" {
  type AddJob = (task: string, payload: object) => Promise<unknown>;
  export class Logger {
    constructor(factory: () => () => void);
  }
  export function run(options: {
    connectionString: string;
    concurrency: number;
    maxPoolSize: number;
    noHandleSignals: boolean;
    logger: Logger;
    preset?: { worker: { completeJobBatchDelay: number } };
    taskList: Record<string, (payload: unknown, helpers: { addJob: AddJob }) => Promise<void>>;
  }): Promise<{ addJob: AddJob; stop(): Promise<void> }>;
}

declare module "openworkflow" {
  export class OpenWorkflow {
    constructor(options: { backend: object });
    defineWorkflow<I, O>(
      spec: { name: string },
      workflow: (context: {
        input: I;
        step: { run<T>(config: { name: string }, step: () => T): Promise<T> };
      }) => Promise<O>,
    ): { run(input: I): Promise<unknown> };
    newWorker(options: { concurrency: number }): { start(): Promise<void>; stop(): Promise<void> };
  }
}

declare module "openworkflow/postgres" {
  export const BackendPostgres: { connect(url: string): Promise<{ stop(): Promise<void> }> };
}

declare module "pg-boss" {
  interface WorkOptions {
    batchSize: number;
    pollingIntervalSeconds: number;
    burstWhenBatchFull: boolean;
  }
  export class PgBoss {
    constructor(options: { connectionString: string; max: number; useListenNotify: boolean });
    on(event: "error", listener: (error: Error) => void): this;
    start(): Promise<unknown>;
    stop(options: { graceful: boolean }): Promise<void>;
    createQueue(name: string, options: { notify: boolean }): Promise<void>;
    send(queue: string, data: object): Promise<string | null>;
    insert(queue: string, jobs: { data: object }[]): Promise<unknown>;
    work<T>(
      queue: string,
      options: WorkOptions,
      handler: (jobs: { data: T }[]) => Promise<unknown>,
    ): Promise<string>;
  }
}
