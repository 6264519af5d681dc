// A stand-in for a language model. It gives the same answer to the same question, one token after the
// other, and needs no network. Replace it with the stream of your provider.
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";

const subjects = ["The north wind", "A channel", "The server", "A reader", "The log", "Every message"];
const verbs = ["carries", "keeps", "remembers", "repeats", "resumes", "delivers"];
const objects = ["the words in order", "what was missed", "each position", "the newest line", "a quiet answer", "the end of the story"];

/** Returns the tokens of the answer to a question. */
export function tokens(question, sentences = 30) {
  const bytes = createHash("sha512").update(question).digest();
  const pick = (list, i) => list[(bytes[i % bytes.length] + i) % list.length];
  const text = [`You asked: ${question}\n\n`];
  for (let i = 0; i < sentences; i++) text.push(`${pick(subjects, 3 * i)} ${pick(verbs, 3 * i + 1)} ${pick(objects, 3 * i + 2)}. `);
  return text.join("").match(/\s*\S+\s*?/g); // words, with the blanks before them
}

/** Yields the tokens at the pace of a model. pace is in milliseconds. */
export async function* model(question, pace = 30) {
  for (const token of tokens(question)) {
    await setTimeout(pace);
    yield token;
  }
}
