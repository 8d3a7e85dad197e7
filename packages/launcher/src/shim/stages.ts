import { release } from 'node:os';

let answer: boolean | undefined;

/** Whether an overlay can be made apart from where it is mounted, so that a process may have its mount namespace before: from Linux 6.8 on. */
export function canStage(): boolean {
  if (answer !== undefined) return answer;
  const [major = 0, minor = 0] = release().split('.').map(Number);
  answer = major > 6 || (major === 6 && minor >= 8);
  return answer;
}
