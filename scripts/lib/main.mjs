import { ScriptError } from './run.mjs';

/**
 * Runs a script's body: its value is the exit status, and what it throws is told without a stack if it is for people.
 * @param {() => Promise<number | void>} body
 */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    console.error(error instanceof ScriptError ? error.message : error);
    process.exitCode = 1;
  }
}
