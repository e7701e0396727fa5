// Answers one JSON line with another: rows in, the arrays that feeds.mjs makes of them or the problems that it finds.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { decode, encode } from "./codec.mjs";

const scripts = `${pathToFileURL(process.argv[2])}/`;
const { Feeds, FeedError, parseRows } = await import(new URL("feeds.mjs", scripts));
const { microseconds } = await import(new URL("iso_time.mjs", scripts));

const ASKED = {
  feeds({ features, rows, text }) {
    const given = text === undefined ? decode(rows) : parseRows(text);
    return { arrays: encode(new Feeds(features).fromRows(given)) };
  },
  times: ({ texts }) => ({ times: texts.map((t) => microseconds(t)).map((t) => (t === null ? null : String(t))) }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = ASKED[request.ask](request);
  } catch (error) {
    if (!(error instanceof FeedError)) throw error;
    answer = { problems: error.problems, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
