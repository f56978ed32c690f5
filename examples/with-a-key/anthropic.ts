import { llmDecomposer } from "goalpost";
import { planAndRun } from "../support/weekly-report.ts";

// With ANTHROPIC_API_KEY in the environment and the package @anthropic-ai/sdk installed.
await planAndRun({ providers: { anthropic: {} } }, llmDecomposer());
