import type { StepMap } from "../index.ts";
import { httpGetStep } from "./steps-get.ts";
import { llmStep, type ModelChoice } from "./steps-llm.ts";
import { readFilesStep } from "./steps-read.ts";
import { reportStep } from "./steps-report.ts";
import { writeFileStep } from "./steps-write.ts";

/** What a goal of any kind is carried out with: steps that stay in a folder, and in the public internet. */
export function makeSafeSteps(folder: string, choice: ModelChoice): StepMap {
  return {
    llm: llmStep(choice),
    read_files: readFilesStep(folder),
    write_file: writeFileStep(folder),
    http_get: httpGetStep(),
    report: reportStep(folder),
  };
}
