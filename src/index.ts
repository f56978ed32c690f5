export {
  AgentCoordination,
  type CoordinationInput,
  type CoordinationOutput,
} from "./agent-coordination.ts";
export type { AgentRegistration, Agents } from "./agents/agents.ts";
export type { InboxMessage, InboxOptions, InboxStatus } from "./agents/inbox.ts";
export type { Budgets, LabelTarget } from "./budgets.ts";
export type {
  AgentBroadcast,
  AgentMail,
  AgentMessage,
  AgentSummary,
  KeyedReplyOptions,
  ReplyOptions,
  StepAgents,
} from "./core/agent.ts";
export type { AgentContext, AgentDefinition } from "./core/agent-definition.ts";
export { type App, defineApp, isApp } from "./core/app.ts";
export type { Clock } from "./core/clock.ts";
export type {
  CombinedEmbedModel,
  EmbedModelOptions,
  EmbedOptions,
  LocalEmbedModel,
  ProviderEmbedModel,
  ServedEmbedModel,
} from "./core/embed-options.ts";
export type {
  EmbedAnswer,
  EmbedBatch,
  EmbedCallOptions,
  Embedder,
  EmbedFunction,
  EmbedPurpose,
  EmbedQueries,
  EmbedQuery,
  EmbedResult,
  EmbedResults,
  EmbedSettings,
  StepEmbed,
  StepEmbedSettings,
} from "./core/embedding.ts";
export {
  type ErrorCode,
  type FailedTask,
  GoalpostError,
  type GraphIssue,
  type GraphIssueCode,
  InvalidGraphError,
  isGoalpostError,
  NonRetryableError,
  RetryAfterError,
  RunFailedError,
} from "./core/errors.ts";
export { type Estimate, type EstimateKey, type Estimates, NO_ESTIMATES } from "./core/estimates.ts";
export type {
  Flow,
  FlowFunction,
  FlowFunctions,
  FlowMapOptions,
  FlowOptions,
  FlowRef,
  FlowStep,
  FlowStepOptions,
  FlowSummary,
  Optional,
} from "./core/flow.ts";
export type {
  DecomposeContext,
  Decomposer,
  Dependency,
  EdgeReason,
  Goal,
  GraphLimits,
  JsonSchema,
  PlanMemory,
  PlanOrigin,
  RecalledPlan,
  Replan,
  ReuseRule,
  StepInfo,
  TaskGraph,
  TaskSpec,
  ValidTaskGraph,
} from "./core/goal.ts";
export type { Json, Stored } from "./core/json.ts";
export type { BudgetWarning } from "./core/ledger.ts";
export type {
  Budget,
  Cascade,
  Complexity,
  FinishReason,
  LlmMessage,
  LlmResult,
  LlmTool,
  ModelRef,
  ToolCall,
} from "./core/llm.ts";
export type { LlmOptions, ModelPrice, ProviderOptions, RateLimit } from "./core/llm-options.ts";
export { type LogFields, type Logger, silentLogger } from "./core/logger.ts";
export {
  type ChatModels,
  type ModelCallContext,
  ModelError,
  type ModelErrorFacts,
  type ModelErrorKind,
  type ModelRequest,
  type ModelResponse,
  type RateLimitState,
  type TokenUsage,
  type ToolSpec,
} from "./core/model.ts";
export type {
  Decision,
  DispatchHint,
  ModelCandidate,
  Optimized,
  OptimizedGraph,
  OptimizedOutcome,
  OptimizeLevel,
  OptimizeOptions,
  StepFacts,
} from "./core/optimizer.ts";
export type { PlanDiff } from "./core/plan-history.ts";
export type { TaskProgress } from "./core/progress.ts";
export type { OnExhausted, OnSkip, RetryPolicy, StepPolicy } from "./core/retry.ts";
export type { RoutingMode, RoutingOptions } from "./core/routing-options.ts";
export {
  type ChildGoalOptions,
  type ChildOptions,
  defineStep,
  defineSteps,
  type GoalInput,
  type GoalRun,
  type KeyOptions,
  type LlmCallOptions,
  type Step,
  type StepContext,
  type StepDefinition,
  type StepFunction,
  type StepMap,
  type WaitForOptions,
} from "./core/step.ts";
export type { Usage } from "./core/usage.ts";
export type { AnyWorkflow, Workflow, WorkflowStep } from "./core/workflow.ts";
export type { ChunkOptions } from "./documents/chunk-options.ts";
export type { CollectionSummary } from "./documents/collections.ts";
export type { DeleteWhat } from "./documents/delete-documents.ts";
export type { DocumentInput, Metadata } from "./documents/document.ts";
export type { Documents } from "./documents/documents.ts";
export type { TextFormat } from "./documents/find-blocks.ts";
export type { PutOptions, PutReport } from "./documents/put-documents.ts";
export type { ReembedOptions, ReembedReport } from "./documents/reembed.ts";
export type { SearchHit, SearchOptions } from "./documents/search-documents.ts";
export { Embedding, type EmbeddingInput, type EmbeddingOutput } from "./embedding-workflow.ts";
export { databaseFromEnvironment, VERSION } from "./environment.ts";
export { type ExecuteGoalOptions, executeGoal } from "./execute-goal.ts";
export type { HubTurn } from "./fleet/fleet-hub.ts";
export type { Lesson } from "./fleet/guidance.ts";
export type { UseHub } from "./fleet/hub-link.ts";
export type { SourceSummary } from "./fleet/hub-store.ts";
export type { IgnoredCount } from "./fleet/ignored.ts";
export { LearningSync, type Synced, type SyncOptions } from "./fleet/learning-sync.ts";
export {
  type AggregatorOptions,
  type Published,
  ResultAggregator,
  type Statistics,
} from "./fleet/result-aggregator.ts";
export type { Fleet, FleetStatus, HubLink } from "./fleet-client.ts";
export type { Flows } from "./flows.ts";
export { Goalpost } from "./goalpost.ts";
export { Hub, type HubOptions, type HubStatus } from "./hub.ts";
export { Ingest, type IngestInput, type IngestReport } from "./ingest.ts";
export type { Instances } from "./instances.ts";
export type { Explanation, LearnedEstimate, Learning } from "./learning.ts";
export type { EnqueueOptions, Feedback, LlmAskOptions, LlmCalls } from "./llm-calls.ts";
export { LlmRequest, type LlmRequestInput, type LlmRequestOutput } from "./llm-request.ts";
export type { Channels, HistoryOptions, ListenOptions } from "./messaging/channels.ts";
export type { Message, MessageHandler } from "./messaging/message.ts";
export type { Subscription } from "./messaging/subscription.ts";
export { migrateDatabase } from "./migrate-database.ts";
export type { OpenOptions, WorkersOptions } from "./open-options.ts";
export { optimize } from "./optimize/optimize.ts";
export { type Prediction, predict } from "./optimize/predict.ts";
export { type SimulatedRun, type SimulateOptions, simulateGraph } from "./optimize/simulate-graph.ts";
export type { ComposeOptions, GoalOptions, GraphOptions, StartOptions } from "./options.ts";
export {
  type DebateOptions,
  type DebateRound,
  type DebateView,
  debate,
  type JudgeView,
} from "./patterns/debate.ts";
export { type HandOffChoice, type HandOffOptions, type HandOffView, handOff } from "./patterns/hand-off.ts";
export { type MapReduceOptions, mapReduce } from "./patterns/map-reduce.ts";
export type { Member, PatternContext, PatternOptions } from "./patterns/member.ts";
export {
  type Assignment,
  type SupervisorChoice,
  type SupervisorOptions,
  type SupervisorView,
  supervisor,
} from "./patterns/supervisor.ts";
export { type VoteOptions, type VoteResult, type VoteView, vote } from "./patterns/vote.ts";
export { type LlmDecomposerOptions, llmDecomposer } from "./plan/llm-decomposer.ts";
export type { PlanPrompt } from "./plan/plan-prompt.ts";
export type { PlanExample, PromptFacts } from "./plan/prompt-facts.ts";
export { type RenderOptions, renderMermaid, renderTree } from "./plan/render.ts";
export { type Rule, type RulesOptions, rule, rules } from "./plan/rules.ts";
export type { Queues } from "./queues.ts";
export type { RouteModel, RouteReport } from "./route-report.ts";
export type { EventsOptions } from "./run-events.ts";
export type {
  ComposedResult,
  FlowResult,
  GoalHandle,
  GoalResult,
  Progress,
  RunHandle,
  RunResult,
} from "./run-result.ts";
export type { ApproveOptions, RejectOptions } from "./run-waits.ts";
export type { WaitOptions } from "./run-watch.ts";
export type { CancelOptions, PruneOptions, RetryOptions, RunRecord, Runs } from "./runs.ts";
export type { BudgetSummary, BudgetUse } from "./store/budgets.ts";
export type { PlanEvent, RunEvent, RunEventType } from "./store/events.ts";
export type { InstanceFilter, InstanceStatus, InstanceSummary } from "./store/instances.ts";
export type { MigrationReport } from "./store/migrate.ts";
export type { Database } from "./store/open-driver.ts";
export type { PGliteLike } from "./store/pglite-driver.ts";
export type { PlanRecord } from "./store/plan-versions.ts";
export type { PlanApproval } from "./store/plans.ts";
export type { PoolLike } from "./store/pool-like.ts";
export type { PruneReport } from "./store/prune.ts";
export type { QueueSummary } from "./store/queues.ts";
export type { RunFilter, RunOrder } from "./store/run-list.ts";
export type { RunStatus, RunSummary } from "./store/runs.ts";
export type { AttemptRecord, TaskRecord, TaskStatus } from "./store/task-rows.ts";
export type { ModelUsage, RunUsage, UsageKey, UsageRow } from "./store/usage.ts";
export type { ApprovalRecord, ToolCallRecord, WaitRecord } from "./store/waits.ts";
export type { UsageBook, UsageFilter } from "./usage.ts";
export type { Worker, WorkerOptions } from "./workers.ts";
export { type StepInput, type StepOptions, type WorkflowBuilder, workflow } from "./workflows/builder.ts";
