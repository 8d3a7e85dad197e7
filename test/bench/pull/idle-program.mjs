// Does nothing but watch how late its own event loop runs: between a first line of its input, which it confirms, and a second, which
// it answers with the longest delay in milliseconds. What a machine does to an idle program it does to others, too.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

const delay = monitorEventLoopDelay({ resolution: 1 });
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
await lines.next();
delay.enable();
console.log(0);
await lines.next();
delay.disable();
console.log(delay.max / 1e6);
