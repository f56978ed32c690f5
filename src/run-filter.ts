import { GoalpostError } from "./core/errors.ts";
import { isObject, isStorableText } from "./core/json.ts";
import { check } from "./core/policy.ts";
import { MAX_INT } from "./options.ts";
import { RUN_ORDERS, type RunFilter } from "./store/run-list.ts";
import type { RunStatus } from "./store/runs.ts";

const STATUSES: readonly RunStatus[] = ["queued", "running", "paused", "completed", "failed", "cancelled"];
const ERROR_CODE = /^[A-Z_]{1,64}$/;

/** @throws INVALID_INPUT if a filter can match nothing, whatever runs there are */
export function checkRunFilter(filter: RunFilter): void {
  check(filter.limit, { what: "limit", least: 1, most: MAX_INT, whole: true });
  check(filter.offset, { what: "offset", least: 0, most: MAX_INT, whole: true });
  for (const status of filter.status === undefined ? [] : [filter.status].flat()) {
    if (!STATUSES.includes(status)) {
      refuse("status", status, `there are: ${STATUSES.join(", ")}`);
    }
  }
  if (filter.orderBy !== undefined && !RUN_ORDERS.includes(filter.orderBy)) {
    refuse("orderBy", filter.orderBy, `there are: ${RUN_ORDERS.join(", ")}`);
  }
  if (filter.errorCode !== undefined && !ERROR_CODE.test(filter.errorCode)) {
    refuse("errorCode", filter.errorCode, "a code is in capitals, such as POISON");
  }
  if (filter.workflow !== undefined && !isStorableText(filter.workflow)) {
    refuse("workflow", filter.workflow, "it is a name");
  }
  checkLabel(filter.label);
}

function checkLabel(label: unknown): void {
  const fits = isObject(label)
    ? Object.entries(label).flat().every(isStorableText)
    : isStorableText(label) && label !== "";
  if (label !== undefined && !fits) {
    refuse("label", label, 'it is { customer: "acme" }, "customer", or "customer=acme"');
  }
}

function refuse(what: string, given: unknown, allowed: string): never {
  throw new GoalpostError("INVALID_INPUT", `${what} is ${JSON.stringify(given)}; ${allowed}`);
}
