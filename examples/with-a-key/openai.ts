import { llmDecomposer } from "goalpost";
import { planAndRun } from "../support/weekly-report.ts";

// With OPENAI_API_KEY in the environment and the package openai installed.
await planAndRun({ providers: { openai: {} } }, llmDecomposer());
