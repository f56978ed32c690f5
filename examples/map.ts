import { Goalpost, workflow } from "goalpost";

// A map runs its step once for every element of an array; the outputs come back in the order of the elements.
const report = workflow<{ cities: string[] }>("weather_report")
  .step("cities", ({ run }) => run.cities)
  .map("measure", { over: "cities", concurrency: 2, maxAttempts: 5 }, async (city, ctx) => {
    if (city === "Ghent" && ctx.attempt === 1) {
      throw new Error("the station does not answer: only this item is tried again");
    }
    return { city, degrees: city.length * 2 };
  })
  .step(
    "warmest",
    { after: ["measure"] },
    ({ measure }) => measure.toSorted((a, b) => b.degrees - a.degrees)[0],
  )
  .step("alarm", { after: ["warmest"], when: ({ warmest }) => (warmest?.degrees ?? 0) > 30 }, () => "too hot")
  .step("summary", { after: ["warmest"], optional: ["alarm"] }, ({ warmest, alarm }) => ({
    warmest,
    alarm: alarm ?? "none",
  }));

const gp = await Goalpost.open({ database: "memory:" });
const { output } = await gp.execute(report, { cities: ["Oslo", "Ghent", "Marseille"] });
console.log(output.summary);
await gp.close();
