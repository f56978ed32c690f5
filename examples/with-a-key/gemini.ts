import { llmDecomposer } from "goalpost";
import { planAndRun } from "../support/weekly-report.ts";

// With GEMINI_API_KEY in the environment and the package @google/genai installed.
await planAndRun({ providers: { gemini: {} } }, llmDecomposer());
